"""Store and batches: same pixels as put in, same crops on both sides, and resumable to the bit."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from srae.data.batches import Batch, count_batches, eval_batches, train_batches
from srae.data.store import Shelf, Split, Store


def _store(images: list[np.ndarray]) -> Store:
    shelf = Shelf(len(images))
    for index in reversed(range(len(images))):
        shelf.put(index, images[index])
    return shelf.to_store()


def _split(sizes: list[tuple[int, int]], scale: int, channels: int = 3) -> Split:
    """High images are random; each low pixel is the corner pixel of its block, so alignment shows."""
    random = np.random.default_rng(0)
    highs = [random.integers(0, 256, (h * scale, w * scale, channels), dtype=np.uint8) for h, w in sizes]
    return Split(
        _store([high[::scale, ::scale] for high in highs]), _store(highs), [f"{i}.png" for i in range(len(sizes))]
    )


def _same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        a.indices == b.indices and torch.equal(a.input, b.input) and torch.equal(a.target, b.target)
        for a, b in zip(one, other, strict=True)
    )


def _pass(split: Split, **changes: Any) -> list[Batch]:
    return list(train_batches(split, **{"batch_size": 4, "seed": 3, "epoch": 1} | changes))


def test_store_keeps_every_pixel_in_one_block_when_sizes_are_equal() -> None:
    split = _split([(6, 8)] * 5, 2)
    assert isinstance(split.target.pixels, Tensor) and split.target.shape == (3, 12, 16) and len(split.target) == 5
    assert split.input.size(4) == (6, 8) and split.target.image(4).shape == (3, 12, 16)
    random = np.random.default_rng(0)
    for index in range(5):
        expected = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        assert np.array_equal(split.target.image(index).permute(1, 2, 0).numpy(), expected)


def test_store_of_mixed_sizes_has_no_common_shape_and_loses_nothing() -> None:
    sizes = [(4, 4), (6, 5), (4, 4), (3, 9)]
    split = _split(sizes, 2)
    assert split.input.shape is None and [split.input.size(i) for i in range(4)] == sizes
    for index in range(4):
        assert torch.equal(split.target.image(index)[:, ::2, ::2], split.input.image(index))
    moved = split.to("cpu")
    assert moved.names == split.names and torch.equal(moved.input.image(3), split.input.image(3))


@pytest.mark.parametrize("sizes", [[(6, 8)] * 10, [(6, 8), (7, 9), (6, 8), (12, 6), (6, 6)]])
def test_eval_batches_give_every_image_once_in_order(sizes: list[tuple[int, int]]) -> None:
    split = _split(sizes, 2)
    batches = list(eval_batches(split, 4))
    assert [index for batch in batches for index in batch.indices] == list(range(len(sizes)))
    for batch in batches:
        assert len(batch.indices) == len(batch.input) <= 4
        for row, index in enumerate(batch.indices):
            assert torch.equal(batch.input[row], split.input.image(index).float() / 255)
            assert torch.equal(batch.target[row], split.target.image(index).float() / 255)


def test_batches_are_floats_in_unit_range_and_channels_last() -> None:
    for options in ({}, {"crop": 8, "augment": ["flip", "rotate"]}):
        batch = _pass(_split([(8, 8)] * 6, 2), **options)[0]
        for side in (batch.input, batch.target):
            assert side.dtype == torch.float32 and 0 <= side.min() < 0.1 and 0.9 < side.max() <= 1
            assert side.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_shows_each_crop_once_and_the_last_batch_may_be_smaller() -> None:
    split = _split([(8, 8)] * 5, 2)
    batches = _pass(split, crop=8, crops_per_picture=3)
    assert [len(batch.indices) for batch in batches] == [4, 4, 4, 3]
    assert len(batches) == count_batches(split, batch_size=4, crops_per_picture=3) == 4
    assert sorted(i for batch in batches for i in batch.indices) == sorted([*range(5)] * 3)


@pytest.mark.parametrize("augment", [[], ["flip"], ["rotate"], ["flip", "rotate"]])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_low_and_high_crops_stay_aligned_through_flips_and_turns(scale: int, augment: list[str]) -> None:
    split = _split([(9, 11), (8, 8), (10, 7)], scale)
    corner = 0
    for batch in _pass(split, crop=6 * scale, crops_per_picture=8, augment=augment):
        assert batch.input.shape[1:] == (3, 6, 6) and batch.target.shape[1:] == (3, 6 * scale, 6 * scale)
        for low, high in zip(batch.input, batch.target, strict=True):
            # The corner pixel that low was made of moves to another corner of its block.
            corners = [high[:, y::scale, x::scale] for y in (0, scale - 1) for x in (0, scale - 1)]
            assert any(torch.equal(low, each) for each in corners)
            corner += torch.equal(low, corners[0])
    assert (corner == 24) == (scale == 1 or not augment)


def test_augmentation_reaches_all_eight_positions_of_a_square_and_only_four_keep_the_shape_of_an_oblong() -> None:
    image = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)
    for high, expected in ((image[:3], 8), (image, 4)):
        split = Split(_store([high] * 64), _store([high] * 64), ["x"] * 64)
        seen = {tuple(row.flatten().tolist()) for b in _pass(split, augment=["flip", "rotate"]) for row in b.target}
        assert len(seen) == expected
        turns = (np.rot90(m, k) for m in (high, high[:, ::-1]) for k in range(4))
        known = {tuple((t.transpose(2, 0, 1).flatten().astype(np.float32) / 255).tolist()) for t in turns}
        assert seen <= known
    assert len({b.target[0].sum().item() for b in _pass(split)}) == 1


def test_flip_mirrors_left_and_right_only() -> None:
    high = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    split = Split(_store([high] * 32), _store([high] * 32), ["x"] * 32)
    plain = torch.from_numpy(high).permute(2, 0, 1).float() / 255
    rows = [row for batch in _pass(split, augment=["flip"]) for row in batch.target]
    mirrored = [torch.equal(row, plain.flip(2)) for row in rows]
    assert all(m or torch.equal(row, plain) for m, row in zip(mirrored, rows, strict=True))
    assert 4 < sum(mirrored) < 28


def test_a_pass_from_any_batch_on_equals_the_rest_of_a_full_pass() -> None:
    split = _split([(8, 8)] * 7, 2)
    options: dict[str, Any] = {"crop": 8, "crops_per_picture": 2, "augment": ["flip", "rotate"], "shuffle": True}
    full = _pass(split, **options)
    for start in range(len(full) + 1):
        assert _same(_pass(split, start=start, **options), full[start:])
    interrupted = list(islice(train_batches(split, batch_size=4, seed=3, epoch=1, **options), 2))
    assert _same(interrupted, full[:2])


def test_order_and_crops_change_with_seed_and_epoch_and_with_nothing_else() -> None:
    split = _split([(16, 16)] * 9, 1)
    options: dict[str, Any] = {"crop": 8, "augment": ["flip"]}
    first = _pass(split, **options)
    torch.manual_seed(5)
    np.random.default_rng(7).random(10)
    assert _same(first, _pass(split, **options))
    for change in ({"seed": 4}, {"epoch": 2}):
        other = _pass(split, **options | change)
        assert [b.indices for b in other] != [b.indices for b in first]


def test_the_crop_of_a_image_does_not_depend_on_order_or_batch_size() -> None:
    split = _split([(16, 16)] * 9, 1)

    def crops(**changes: Any) -> dict[int, Tensor]:
        batches = _pass(split, crop=8, augment=["flip", "rotate"], **changes)
        return {index: row for batch in batches for index, row in zip(batch.indices, batch.target, strict=True)}

    shuffled, ordered = crops(), crops(shuffle=False, batch_size=5)
    assert list(ordered) == list(range(9)) != list(shuffled)
    assert all(torch.equal(shuffled[index], ordered[index]) for index in range(9))


def test_training_on_crops_reaches_every_border() -> None:
    pixels = np.zeros((12, 12, 1), np.uint8)
    pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1] = 50, 100, 150, 200
    split = Split(_store([pixels] * 50), _store([pixels] * 50), ["x"] * 50)
    seen = {round(value * 255) for batch in _pass(split, crop=8) for value in batch.target.unique().tolist()}
    assert seen == {0, 50, 100, 150, 200}


def test_the_store_is_not_touched_by_augmentation() -> None:
    split = _split([(8, 8)] * 6, 1)
    before = [split.target.image(i).clone() for i in range(6)]
    _pass(split, augment=["flip", "rotate"])
    _pass(split, crop=4, augment=["flip", "rotate"])
    assert all(torch.equal(split.target.image(i), before[i]) for i in range(6))


def test_images_that_are_their_own_target_are_gathered_and_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = _split([(6, 6)] * 6, 2).input
    own = Split(store, store, [str(i) for i in range(6)]).to("cpu")
    two = Split(store, Store(store.pixels.clone()), own.names)
    expected = [_pass(two, augment=["flip", "rotate"]), list(eval_batches(two, 4))]
    gathered = []
    gather = Store.gather
    monkeypatch.setattr(Store, "gather", lambda self, indices: (gathered.append(indices), gather(self, indices))[1])
    passes = [_pass(own, augment=["flip", "rotate"]), list(eval_batches(own, 4))]
    for batches, known in zip(passes, expected, strict=True):
        assert _same(batches, known)
        assert all(batch.input is batch.target for batch in batches)
    assert len(gathered) == 4  # two batches each
