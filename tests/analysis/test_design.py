"""What the settings of a study can tell apart, and what the report says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from builders import edit_summary, write_run
from srae.analysis.compare import Group, group_runs
from srae.analysis.describe import comparison_lines, describe_group, difference_lines, grid_text
from srae.analysis.design import find_factors, read_design, what_mattered
from srae.config.yaml_text import parse_yaml
from srae.runs.reader import read_run

Cell = dict[str, Any]


def cell(width: int, rate: float, batch: int = 8) -> Cell:
    return {"width": width, "rate": rate, "batch": batch}


def group_of(folder: Path, cells: Sequence[Cell], *, seeds: int = 2) -> Group:
    """Width is worth 1 dB a channel, the rate 10 dB a thousandth; seeds differ by 0.1 dB."""
    for c in cells:
        for seed in range(seeds):
            config = (
                f"model: {{name: residual, width: {c['width']}}}\n"
                f"train: {{learning_rate: {c['rate']}, batch_size: {c['batch']}}}\nseed: {seed}\n"
            )
            name = f"w{c['width']}-r{c['rate']}-b{c['batch']}-s{seed}"
            psnr = 20 + c["width"] + 10_000 * c["rate"] + 0.1 * seed
            write_run(folder / name, config=config, psnr=[psnr, psnr + 1])
    (group,) = group_runs(read_run(path) for path in sorted(folder.iterdir()))
    return group


WIDTH, RATE, BATCH = "model.width", "train.learning_rate", "train.batch_size"
FULL = [cell(w, r) for w in (4, 8) for r in (0.001, 0.002)]


@pytest.mark.parametrize(
    ("cells", "shares", "together", "missing"),
    [
        (FULL, {WIDTH, RATE, f"{WIDTH} x {RATE}", "residual"}, [], 0),
        ([cell(4, 0.001), cell(8, 0.002)], set(), [[WIDTH, RATE]], 2),
        (FULL[:3], set(), [], 1),
        ([cell(4, 0.001), cell(8, 0.001), cell(4, 0.002)], set(), [], 1),
        ([cell(w, 0.001) for w in (4, 8)], {WIDTH, "residual"}, [], 0),
        ([cell(4, 0.001), cell(8, 0.002), cell(16, 0.004)], set(), [[WIDTH, RATE]], 6),
        (
            [cell(w, r, b) for w, b in ((4, 8), (8, 16)) for r in (0.001, 0.002)],
            {f"{WIDTH} + {BATCH}", RATE, f"{WIDTH} + {BATCH} x {RATE}", "residual"},
            [[WIDTH, BATCH]],
            4,
        ),
        ([cell(4, 0.001), cell(8, 0.001), cell(4, 0.002), cell(4, 0.001, 16)], set(), [], 4),
    ],
    ids=["full", "aliased", "three of four", "one at a time", "one key", "three levels", "two of three", "three keys"],
)
def test_shares_are_of_what_the_design_can_tell(
    tmp_path: Path, cells: list[Cell], shares: set[str], together: list[list[str]], missing: int
) -> None:
    group = group_of(tmp_path, cells)
    design = read_design(group.runs)
    assert set(what_mattered(group)) == shares
    assert ([sorted(keys) for keys in design.together], len(design.missing)) == ([sorted(k) for k in together], missing)
    present = [{WIDTH: c["width"], RATE: c["rate"], BATCH: c["batch"]} for c in cells]
    for combination in design.missing:
        assert all({key: c[key] for key in combination} != combination for c in present)
    if missing:
        parsed = parse_yaml(grid_text(design.grid), "study")[0]
        assert {key: sorted(levels) for key, levels in parsed["grid"].items()} == {
            key: sorted({c[key] for c in present}) for key in design.grid
        }
        assert grid_text(design.grid) in "\n".join(comparison_lines(group))
    assert describe_group(group)["changed_together"] == design.together


def test_the_crossed_grid_gives_each_key_its_own_share(tmp_path: Path) -> None:
    shares = what_mattered(group_of(tmp_path, FULL))
    # 4 dB between widths, 10 dB between rates, 0.1 dB between seeds: sums of squares 32, 200 and 0.02 of 8 runs
    total = 2 * 16 + 2 * 100 + 8 * 0.05**2
    assert shares[WIDTH] == pytest.approx(32 / total) and shares[RATE] == pytest.approx(200 / total)


def test_baselines_are_no_part_of_a_grid(tmp_path: Path) -> None:
    group_of(tmp_path, FULL)
    edit_summary(write_run(tmp_path / "identity", config="model: {name: identity}"), parameters=0)
    (group,) = group_runs(read_run(path) for path in sorted(tmp_path.iterdir()))
    assert set(what_mattered(group)) == {WIDTH, RATE, f"{WIDTH} x {RATE}", "residual"}


def test_options_of_one_network_do_not_change_together_with_its_name(tmp_path: Path) -> None:
    configs = ("model: {name: residual, width: 8}", "model: {name: conv_autoencoder}", "model: {name: identity}")
    for i, config in enumerate(configs):
        write_run(tmp_path / str(i), config=f"{config}\ntrain: {{epochs: {3 if i else 7}}}", psnr=[30.0 + i, 31.0])
    runs = [read_run(tmp_path / str(i)) for i in range(2)]
    design = read_design(runs)
    assert design.together == [["model.name", "train.epochs"]] and not design.missing
    assert list(find_factors(runs)) == ["model.name + train.epochs"]


def test_differences_name_the_experiments_that_have_each_value(tmp_path: Path) -> None:
    group = group_of(tmp_path, [cell(8, 0.001), cell(4, 0.001), cell(4, 0.002)])
    lines = dict(line.strip().split(": ", 1) for line in difference_lines([group]))
    assert set(lines) == {WIDTH, RATE, "seed"} and lines["seed"] == "0, 1"
    assert lines[WIDTH] == "4 (w4-r0.001-b8, w4-r0.002-b8); 8 (w8-r0.001-b8)", "numbers in order, each with its names"
