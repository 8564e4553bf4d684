"""Several low sides of one image: made once, kept beside one high side, drawn per sample, and resumable."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from refusals import refuses
from srae.config.loading import parse_config
from srae.data import Data, Split, Store, eval_batches, train_batches
from srae.data import degrade as module
from srae.data.degrade import find_misfit, make_low
from srae.data.photo import LONGEST_SIDE
from srae.errors import ConfigError, DataError
from toys import open_named

PHOTO = {"kernel": "photo", "scale": 2}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Smooth images with some noise, 6 for train and 3 for val."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        (tmp_path / "photos" / split).mkdir(parents=True)
        for i in range(count):
            small = random.integers(40, 216, (8, 8, 3), dtype=np.uint8)
            image = Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC)
            image.save(tmp_path / "photos" / split / f"{split}{i}.png")
    return tmp_path / "photos"


def _open(folder: Path, copies: int = 1, **options: Any) -> Data:
    return open_named("pairs", folder=str(folder), degrade=PHOTO | {"copies": copies}, **options)


def _bytes(split: Split) -> int:
    stores = {id(store): store for store in (*split.inputs, split.target)}
    return sum(store.pixels.numel() for store in stores.values())  # type: ignore[union-attr]


# ----------------------------------------------------------------------------- opened


def test_train_has_its_copies_beside_one_high_side_and_val_has_one(photos: Path) -> None:
    data = _open(photos, 4)
    assert len(data.train) == len(data.train.target) == 6 and len(data.train.inputs) == 4
    assert _bytes(data.train) == 6 * (48 * 48 * 3 + 4 * 24 * 24 * 3)
    assert not data.val.more_inputs and data.in_shape == (3, 24, 24)
    assert any("4 low-resolution versions" in note for note in data.notes)
    for index, name in enumerate(data.train.names):
        high = data.train.target.image(index).permute(1, 2, 0).numpy()  # type: ignore[union-attr]
        for copy, store in enumerate(data.train.inputs):
            expected = make_low(high, "photo", 2, name=name, copy=copy)
            assert np.array_equal(store.image(index).permute(1, 2, 0).numpy(), expected)
    assert len({store.pixels[0].numpy().tobytes() for store in data.train.inputs}) == 4


def test_the_first_copy_and_val_do_not_depend_on_the_number_of_copies(photos: Path) -> None:
    one, four = _open(photos), _open(photos, 4)
    assert not one.notes and not one.train.more_inputs
    for a, b in ((one.train, four.train), (one.val, four.val)):
        assert torch.equal(a.input.pixels, b.input.pixels)  # type: ignore[arg-type]
    assert one.fingerprint == four.fingerprint  # figures on val compare


def test_a_low_side_is_seeded_by_the_name_alone(photos: Path) -> None:
    before = _open(photos).val.input.image(2)
    (photos / "val" / "val0.png").unlink()
    (photos / "train" / "train1.png").unlink()
    assert torch.equal(_open(photos).val.input.image(1), before)
    (photos / "val" / "val2.png").rename(photos / "val" / "val9.png")
    assert not torch.equal(_open(photos).val.input.image(1), before)


def test_the_fingerprint_tells_the_degradation_and_its_version(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [_open(photos).fingerprint, _open(photos, enlarge="bicubic").fingerprint]
    prints += [open_named("pairs", folder=str(photos), degrade={"kernel": "bicubic", "scale": 2}).fingerprint]
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert len({*prints, _open(photos).fingerprint}) == 4


def test_enlarged_low_sides_have_the_size_of_the_high_side(photos: Path) -> None:
    data = _open(photos, 2, enlarge="bilinear")
    assert data.in_shape == data.out_shape == (3, 48, 48)
    assert all(store.shape == (3, 48, 48) for store in data.train.inputs)


def test_scoring_makes_no_copies(photos: Path) -> None:
    assert not _open(photos, 4, for_scoring=True).train.more_inputs
    demo = open_named("demo", degrade=PHOTO | {"copies": 4}, limit=1, for_scoring=True)
    assert not demo.train.more_inputs and not demo.notes


def test_the_demo_images_can_be_degraded_too() -> None:
    data = open_named("demo", degrade=PHOTO | {"copies": 2}, limit=2)
    assert len(data.train.inputs) == 2 and not data.val.more_inputs and data.test and not data.test.more_inputs
    assert data.in_shape == (3, 128, 128) and len(data.notes) == 1
    plain = open_named("demo", degrade={"kernel": "bicubic", "scale": 2}, limit=2)
    assert plain.fingerprint != data.fingerprint
    difference = (plain.val.input.pixels.float() - data.val.input.pixels.float()) / 255  # type: ignore[union-attr]
    assert 20 < -10 * torch.log10(difference.square().mean()) < 45


def test_what_cannot_be_degraded_is_told_by_name(photos: Path) -> None:
    Image.new("RGB", (1, 40)).save(photos / "train" / "thin.png")
    with refuses(DataError, "thin.png", 2):
        _open(photos, 2)
    assert find_misfit((LONGEST_SIDE + 1, 8), "photo", 2) and not find_misfit((LONGEST_SIDE, 8), "photo", 2)
    assert not find_misfit((LONGEST_SIDE + 1, 8), "bicubic", 2)


# ---------------------------------------------------------------------------- batches


def _split(copies: int, images: int = 5) -> Split:
    """Low pixel = 1 + 10 * image + copy everywhere; high pixel = 1 + 10 * image."""
    places = 1 + 10 * torch.arange(images, dtype=torch.uint8)[:, None, None, None]
    lows = [Store((places + copy).expand(-1, 8, 8, 3).clone()) for copy in range(copies)]
    target = Store(places.expand(-1, 16, 16, 3).clone())
    return Split(lows[0], target, [f"{i}.png" for i in range(images)], more_inputs=lows[1:])


def _pass(split: Split, **changes: Any) -> list[tuple[list[int], list[int], list[int]]]:
    """Of every batch: images, their low pixels, their high pixels."""
    batches = train_batches(split, **{"batch_size": 4, "seed": 3, "epoch": 1} | changes)
    sides = [(b.indices, *((side[:, 0, 0, 0] * 255).round().int().tolist() for side in b[:2])) for b in batches]
    return sides  # type: ignore[return-value]


@pytest.mark.parametrize("options", [{}, {"crop": 8, "crops_per_picture": 4, "augment": ["flip", "rotate"]}])
def test_each_sample_draws_one_low_side_of_its_own_image(options: dict[str, Any]) -> None:
    split, drawn = _split(3), set()
    for epoch in range(40):
        for indices, lows, highs in _pass(split, epoch=epoch, **options):
            assert highs == [1 + 10 * index for index in indices]
            drawn |= {(index, low - high) for index, low, high in zip(indices, lows, highs, strict=True)}
    assert drawn == {(index, copy) for index in range(5) for copy in range(3)}


@pytest.mark.parametrize("options", [{}, {"crop": 8, "crops_per_picture": 3}])
def test_the_draw_depends_on_seed_epoch_and_sample_alone(options: dict[str, Any]) -> None:
    split = _split(4)
    full = _pass(split, **options)
    for start in range(len(full) + 1):
        assert _pass(split, start=start, **options) == full[start:]
    assert list(islice(_pass(split, **options), 1)) == full[:1]
    by_sample = [
        sorted(pair for indices, lows, _ in batches for pair in zip(indices, lows, strict=True))
        for batches in (full, _pass(split, batch_size=3, shuffle=False, **options))
    ]
    assert by_sample[0] == by_sample[1]
    assert _pass(split, epoch=2, shuffle=False, **options) != _pass(split, epoch=1, shuffle=False, **options)
    assert _pass(split, seed=4, shuffle=False, **options) != _pass(split, seed=3, shuffle=False, **options)


def test_order_and_high_crops_are_those_of_a_training_without_copies() -> None:
    one, four = (_pass(_split(copies), crop=8, crops_per_picture=2) for copies in (1, 4))
    assert [(b[0], b[2]) for b in one] == [(b[0], b[2]) for b in four]
    assert [b[1] for b in one] != [b[1] for b in four]


def test_scoring_sees_the_first_low_side_and_a_move_takes_all_along() -> None:
    split = _split(3).to("cpu")
    assert len(split.inputs) == 3
    for batch in eval_batches(split, 4):
        assert torch.equal((batch.input[:, 0, 0, 0] * 255).round(), torch.tensor([1.0 + 10 * i for i in batch.indices]))


# ------------------------------------------------------------------- config and training


@pytest.mark.parametrize(
    ("degrade", "said"),
    [
        ("{kernel: bicubic, copies: 2}", ("x.yaml:2: data.degrade: ", "copies", "photo", "bicubic")),
        ("{copies: 8}", ("data.degrade: ", "copies", "photo")),
        ("{kernel: photo, copies: 0}", ("data.degrade.copies",)),
        ("{kernel: photo, copies: 65}", ("data.degrade.copies", "not 65")),
    ],
)
def test_copies_that_make_no_sense_are_refused(degrade: str, said: tuple[str, ...]) -> None:
    with refuses(ConfigError, *said):
        parse_config(f"model: {{name: identity}}\ndata: {{degrade: {degrade}}}\n", "x.yaml")


def test_sizes_add_shrunken_training_images_with_a_low_side_of_their_own(photos: Path) -> None:
    degrade = {"kernel": "bicubic", "scale": 2}
    plain = open_named("pairs", folder=str(photos), degrade=degrade)
    more = open_named("pairs", folder=str(photos), degrade=degrade | {"sizes": [0.5, 0.3]}, crop=4)
    count = len(plain.train)
    assert len(more.train) == 3 * count and len(more.val) == len(plain.val)
    assert more.fingerprint == plain.fingerprint
    assert more.train.names[count] == f"{plain.train.names[0]} x0.5"
    for index in range(len(more.train)):
        (low, high) = (store.size(index) for store in (more.train.input, more.train.target))
        assert high == (2 * low[0], 2 * low[1])
    for index in range(count):
        assert torch.equal(more.train.target.image(index), plain.train.target.image(index))
        whole, half = (more.train.target.image(i).float() for i in (index, count + index))
        assert abs(whole.mean() - half.mean()) < 3
        assert half.shape[1] == round(whole.shape[1] / 4) * 2
    scored = open_named("pairs", folder=str(photos), degrade=degrade | {"sizes": [0.5]}, for_scoring=True)
    assert len(scored.train) == count
