"""What goes wrong with one image, whatever it is, is told of that image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from srae.errors import DataError, SraeError
from srae.images.image import TaggedImage, read_image, write_image
from srae.upscaling.enlarge import UpscaleOptions
from srae.upscaling.exact_size import Plan
from srae.upscaling.jobs import Job
from srae.upscaling.pipeline import FileOptions, run_jobs
from toys import Same, as_network


class Faulty(Same):
    """Fails on images 5 pixels wide."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.shape[3] == 5:
            raise KeyError("a fault of this network")
        return super().forward(input)


@pytest.mark.parametrize("large", [False, True])
def test_a_fault_in_one_image_ends_no_batch(tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srae.upscaling.pipeline._LARGE", 0 if large else 10**9)  # one at a time, or overlapping
    jobs = []
    for name, width in (("a", 4), ("b", 5), ("c", 6), ("d", 7)):
        source = tmp_path / f"{name}.png"
        write_image(source, TaggedImage(np.full((4, width, 3), width, np.uint8)))
        jobs.append(Job(source, tmp_path / f"{name}_x1.png"))
    jobs[2].source.write_bytes(b"no image")
    plan = Plan([as_network(Faulty(), 3)], 1)
    outcomes = list(run_jobs(jobs, lambda height, width: plan, UpscaleOptions(), FileOptions()))
    assert [type(outcome.error) for outcome in outcomes] == [type(None), SraeError, DataError, type(None)]
    assert outcomes[1].error is not None
    assert outcomes[1].error.what.startswith("KeyError")
    assert outcomes[1].error.where == str(jobs[1].source)
    assert read_image(jobs[3].target).pixels.max() == 7
