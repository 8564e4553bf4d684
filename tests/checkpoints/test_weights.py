"""Every model that ships: it loads, its card is its own, and tiles leave no seam."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from srae.checkpoints.loading import load_model
from srae.checkpoints.probing import measure_reach
from srae.checkpoints.shipped import CHAINS, shipped_models
from srae.evaluation.forward import forward_in_pieces
from srae.evaluation.metrics import psnr

MODELS = shipped_models()
SCALES = {"p": 1, "x2": 2, "x2_photo": 2, "x3": 3, "x4": 4, "tiny": 2}


def test_what_a_scale_needs_ships() -> None:
    assert set(MODELS) == set(SCALES)
    for scale, names in CHAINS.items():
        assert math.prod(SCALES[name] for name in names) == scale


@pytest.mark.parametrize("path", MODELS.values(), ids=MODELS)
def test_a_card_describes_its_file(path: Path) -> None:
    card = path.with_suffix(".md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert path.stat().st_size <= 2 * 2**20
    loaded = load_model(path)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert f"{parameters:,} parameters" in card
    assert loaded.model.scale == SCALES[path.stem]
    assert not re.search(r"/(home|root|work|tmp|Users)/", card + str(loaded.meta))


@pytest.mark.parametrize("path", MODELS.values(), ids=MODELS)
def test_tiles_equal_the_whole_and_flat_stays_flat(path: Path) -> None:
    model = load_model(path).model
    image = torch.rand(3, 90, 121, generator=torch.Generator().manual_seed(0))
    margin = 2 * model.receptive_radius
    whole, tiled = forward_in_pieces(model, image), forward_in_pieces(model, image, tile=margin + 16)
    assert whole.shape == (3, 90 * model.scale, 121 * model.scale)
    assert (whole - tiled).abs().max() < 1e-5
    flat = forward_in_pieces(model, torch.full((3, 40, 40), 0.5))
    assert psnr(flat[None], torch.full_like(flat, 0.5)[None]).item() > 40


@pytest.mark.parametrize("name", ["tiny", "p"])
def test_running_a_network_shows_no_more_reach_than_it_states(name: str) -> None:
    """And not much less: what its outermost pixels change is below what float32 rounds."""
    trained = load_model(MODELS[name])
    stated = trained.facts.geometry

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return trained.model(torch.from_numpy(images)).numpy()

    found = measure_reach(run, trained.in_shape[0], replace(stated, receptive_radius=None))
    assert found.multiple_of == stated.multiple_of
    assert found.receptive_radius is not None and stated.receptive_radius is not None
    assert stated.receptive_radius / 2 < found.receptive_radius <= stated.receptive_radius
