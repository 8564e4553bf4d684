"""The built-in images: free of leaks, of one size, and without the network."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest
import torch

from refusals import refuses
from srae.data import Data
from srae.data.demo import SPLITS, demo_image
from srae.errors import DataError
from srae.images.resample import enlarge, shrink
from srae.images.tensors import to_float
from toys import open_named


@pytest.fixture(scope="module")
def demo() -> Data:
    return open_named("demo")


def test_it_opens_fast_and_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the demo reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    began = time.perf_counter()
    data = open_named("demo")
    assert time.perf_counter() - began < 10  # under one second on an idle machine
    assert len(data.train) >= 40 and 12 <= len(data.val) <= 16 and data.test is not None and len(data.test) == 14


def test_no_image_feeds_two_splits(demo: Data) -> None:
    assert demo.test is not None
    sources = [{name.rpartition("-")[0] for name in split.names} for split in (demo.train, demo.val, demo.test)]
    assert sum(map(len, sources)) == len(set.union(*sources)) == sum(map(len, SPLITS.values()))
    for split, found in zip((demo.train, demo.val, demo.test), sources, strict=True):
        assert [name.rpartition("-")[0] for name in split.names] == list(split.groups) and set(split.groups) == found
    assert len(sources[2]) == 7, "the fewest images by which three experiments can be told apart"
    crops = [split.target.pixels[i].numpy().tobytes() for split in (demo.train, demo.val) for i in range(len(split))]
    assert len(set(crops)) == len(crops)


def test_pairs_are_those_of_data_set_p(demo: Data) -> None:
    assert demo.in_shape == demo.out_shape == (3, 256, 256)
    for split in (demo.train, demo.val):
        assert split.input.shape == split.target.shape == (3, 256, 256)
    high = to_float(demo.val.target.image(0)).double()
    low = enlarge(shrink(high, 2, "gaussian", "mirror"), 2, "bilinear", "mirror")
    assert (low * 255 - demo.val.input.image(0)).abs().max() <= 0.501
    difference = to_float(demo.val.input.pixels) - to_float(demo.val.target.pixels)  # type: ignore[arg-type]
    assert 20 < -10 * torch.log10(difference.square().mean()) < 40


@pytest.mark.parametrize("channels", ["L", "RGB", "RGBA"])
def test_channels_are_those_asked_for(channels: str) -> None:
    data = open_named("demo", channels=channels, limit=2)
    assert data.in_shape == (len(channels), 256, 256)
    assert len(data.train) == len(data.val) == 2


def test_with_degrade_the_low_side_is_small(demo: Data) -> None:
    data = open_named("demo", degrade={"kernel": "bicubic", "scale": 2}, limit=3, crop=96)
    assert data.in_shape == (3, 48, 48) and data.out_shape == (3, 96, 96)
    assert data.val.input.shape == (3, 128, 128) and data.val.target.shape == (3, 256, 256)
    third = open_named("demo", degrade={"kernel": "bicubic", "scale": 3}, limit=1)
    assert third.val.input.shape == (3, 85, 85) and third.val.target.shape == (3, 255, 255)
    same = open_named("demo", degrade={"kernel": "bicubic", "scale": 2}, enlarge="bicubic", limit=1)
    assert same.val.input.shape == (3, 256, 256)
    assert len({data.fingerprint, third.fingerprint, same.fingerprint, demo.fingerprint}) == 4


def test_the_fingerprint_is_of_the_data_alone(demo: Data) -> None:
    assert open_named("demo", crop=64, crops_per_picture=4).fingerprint == demo.fingerprint
    assert open_named("demo", limit=5).fingerprint != demo.fingerprint


def test_a_crop_that_does_not_fit_is_refused() -> None:
    with refuses(DataError, "data.crop", 256):
        open_named("demo", crop=300, limit=1)


def test_the_image_to_enlarge_is_not_a_training_image(demo: Data) -> None:
    image = demo_image()
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert "chelsea.png" in SPLITS["val"]
    assert np.array_equal(image[:256, :256], demo.val.target.pixels[9].numpy())
