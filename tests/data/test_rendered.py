"""Rendered images among the samples: their share, their low-resolution versions, and nothing else changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from refusals import refuses
from srae.cli import main
from srae.config.data_sets import DemoConfig, PairsConfig, Rendered, Sampling
from srae.config.degrade import Degrade
from srae.data import open_data, train_batches
from srae.data.batches import Batch
from srae.data.degrade import make_low
from srae.data.make import make_rendered
from srae.data.rendered import is_rendered
from srae.data.store import Shelf, Split, Store
from srae.errors import ConfigError
from srae.images.tensors import to_float

SIDE = 24


def a_split(scale: int, channels: int = 3, dtype: type = np.uint8) -> Split:
    """Black, with one grey for each image."""
    sides: list[Store] = []
    for side in (SIDE // scale, SIDE):
        shelf = Shelf(7)
        for i in range(7):
            shelf.put(i, np.full((side, side, channels), i, dtype))
        sides.append(shelf.to_store())
    return Split(sides[0], sides[1], [f"{i}.png" for i in range(7)])


def a_pass(split: Split, share: float, degrade: Degrade, **changes: Any) -> list[Batch]:
    rendered = Rendered(share, degrade, changes.pop("enlarge", None)) if share else None
    asked = {"batch_size": 4, "seed": 3, "epoch": 1, "crops_per_picture": 3, "crop": 12, "rendered": rendered}
    return list(train_batches(split, **asked | changes))


def rows(batches: list[Batch]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(batch.input[i], batch.target[i]) for batch in batches for i in range(len(batch.indices))]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.3, 0.5])
def test_every_batch_has_its_share_and_the_rest_is_as_it_was(share: float) -> None:
    split = a_split(2)
    plain, mixed = (rows(a_pass(split, s, Degrade(), augment=["flip", "rotate"])) for s in (0, share))
    differ = [not torch.equal(one[1], other[1]) for one, other in zip(plain, mixed, strict=True)]
    assert differ == [is_rendered(k, share) for k in range(21)]
    for first in range(0, 21, 4):
        assert abs(sum(differ[first : first + 4]) - share * len(differ[first : first + 4])) < 1
    assert split.target.pixels.amax() == 6, "the store stays as it is"


def test_an_epoch_from_the_middle_is_the_same_to_the_bit() -> None:
    whole, rest = (a_pass(a_split(2), 0.5, Degrade(kernel="photo"), start=start, augment=["flip"]) for start in (0, 3))
    for one, other in zip(whole[3:], rest, strict=True):
        assert torch.equal(one.input, other.input) and torch.equal(one.target, other.target)
    parts = [a_pass(a_split(2), 0.5, Degrade(kernel="photo"), part=(k, 3), augment=["flip"]) for k in range(3)]
    for one, *several in zip(whole, *parts, strict=True):
        assert torch.equal(one.target, torch.cat([part.target for part in several if len(part.target)]))
    others = [a_pass(a_split(2), 0.5, Degrade(), **change) for change in ({"seed": 4}, {"epoch": 2})]
    assert all(not torch.equal(whole[0].target, other[0].target) for other in others)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("scale", "enlarge"), [(2, None), (3, None), (4, None), (2, "bilinear"), (3, "bicubic")])
def test_low_resolution_versions_are_made_as_those_of_photographs(
    channels: int, scale: int, enlarge: str | None
) -> None:
    split = a_split(1 if enlarge else scale, channels)
    for kernel in ("bicubic", "gaussian"):
        batches = a_pass(split, 0.5, Degrade(kernel=kernel, scale=scale), enlarge=enlarge)
        for k, (low, high) in enumerate(rows(batches)):
            if is_rendered(k, 0.5):
                pixels = (high * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
                made = make_low(pixels, kernel, scale, enlarge, has_alpha=channels == 4)
                assert torch.equal(low, to_float(torch.from_numpy(made).permute(2, 0, 1)))
                assert channels < 4 or high[3].min() == 1


def test_sixteen_bits_have_the_same_images() -> None:
    eight, sixteen = (rows(a_pass(a_split(2, dtype=dtype), 0.5, Degrade())) for dtype in (np.uint8, np.uint16))
    for k, (one, other) in enumerate(zip(eight, sixteen, strict=True)):
        if is_rendered(k, 0.5):
            assert torch.allclose(one[1], other[1], atol=1e-6) and (one[0] - other[0]).abs().max() <= 0.51 / 255


def test_entire_images_are_rendered_too() -> None:
    batches = a_pass(a_split(2), 0.5, Degrade(), crop=None, crops_per_picture=1)
    assert [tuple(batch.target.shape[1:]) for batch in batches] == [(3, SIDE, SIDE)] * 2
    assert [high.unique().numel() > 1 for _, high in rows(batches)] == [is_rendered(k, 0.5) for k in range(7)]


def test_the_fingerprint_knows_the_renderer_and_not_the_share() -> None:
    found = {
        (share, scoring): open_data(DemoConfig(rendered=share, degrade=Degrade(), limit=1), for_scoring=scoring)
        for share, scoring in ((0.0, False), (0.1, False), (0.25, False), (0.25, True))
    }
    prints = {key: data.fingerprint for key, data in found.items()}
    assert prints[0.1, False] == prints[0.25, False] != prints[0.0, False] == prints[0.25, True]
    assert any("25 %" in note for note in found[0.25, False].notes) and not found[0.25, True].notes


def test_the_section_hands_it_to_the_batches() -> None:
    degrade = Degrade(scale=3)
    asked = DemoConfig(degrade=degrade, enlarge="bicubic", rendered=0.2)
    assert asked.sampling == Sampling(augment=[], rendered=Rendered(0.2, degrade, "bicubic"))
    assert DemoConfig(degrade=degrade).sampling.rendered is None
    with pytest.raises(ValueError, match="rendered needs degrade"):
        DemoConfig(rendered=0.2)


def test_bands_are_refused(tmp_path: Path) -> None:
    import tifffile

    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        tifffile.imwrite(
            tmp_path / split / "a.tif", np.zeros((16, 16, 5), np.uint8), photometric="minisblack", planarconfig="contig"
        )
    section = PairsConfig(folder=str(tmp_path), degrade=Degrade(), channels="auto", rendered=0.1)
    with refuses(ConfigError, "data.rendered", "5 bands"):
        open_data(section)


def test_a_folder_of_rendered_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_rendered(tmp_path / "a", 3, side=20)
    assert main(["data", "render", str(tmp_path / "b"), "--count", "3", "--side", "20"]) == 0
    assert main(["data", "render", str(tmp_path / "c"), "--count", "3", "--side", "20", "--seed", "1"]) == 0
    images = {folder: [(tmp_path / folder / f"000{i}.png").read_bytes() for i in range(3)] for folder in "abc"}
    assert images["a"] == images["b"] and not set(images["a"]) & set(images["c"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    with Image.open(tmp_path / "a" / "0000.png") as image:
        assert (image.size, image.mode) == ((20, 20), "RGB")
    with refuses(ConfigError, tmp_path / "a"):
        make_rendered(tmp_path / "a", 1)
    for option, value in (("--count", "0"), ("--side", "3"), ("--seed", "-1")):
        assert main(["data", "render", str(tmp_path / "d"), option, value]) == ConfigError.exit_code
        assert option in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
