"""Run folders, read back in whatever state they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import edit_summary, write_run
from srae.runs.reader import read_run, scored_on


def test_figures_taken_elsewhere_are_the_newest_and_of_there_alone(tmp_path: Path) -> None:
    folder = edit_summary(write_run(tmp_path / "a"), output={"min": 0.5})
    for name, psnr in (("set5-val-y", 30.0), ("set5-val-y-2", 31.0), ("set5-val-y-10", 32.0), ("set5-val-y-2b", 33.0)):
        (folder / f"images-{name}.json").write_text(json.dumps({"val": {"psnr": psnr}}))
    there = scored_on(read_run(folder), "set5-val-y")
    assert there is not None and there.summary is not None
    assert (there.summary["val"], there.images, there.rows) == ({"psnr": 32.0}, "images-set5-val-y-10.csv", [])
    assert not {"output", "identity", "train"} & set(there.summary)
    assert there.summary["parameters"] == 1234
    assert scored_on(read_run(folder), "set5-val") is None


@pytest.mark.parametrize(("then", "counts"), [({"best_epoch": 3}, True), ({"best_epoch": 2}, False), ({}, True)])
def test_figures_of_weights_that_were_replaced_do_not_count(tmp_path: Path, then: dict[str, int], counts: bool) -> None:
    folder = edit_summary(write_run(tmp_path / "a"), best_epoch=3)
    (folder / "images-set5-val-y.json").write_text(json.dumps({"val": {"psnr": 30.0}, **then}))
    assert (scored_on(read_run(folder), "set5-val-y") is not None) is counts
