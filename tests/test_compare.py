"""Rows, intervals and tests from hand-written run folders: tables hold what the runs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import write_run
from srae.compare import (
    COLUMNS,
    csv_table,
    differing_keys,
    group_runs,
    markdown_table,
    pair_with_best,
    row_of,
    text_table,
    what_mattered,
)
from srae.runs import read_run


def test_runs_are_grouped_by_data_and_protocol(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, fingerprint=fingerprint, width=width))
        for name, fingerprint, width in (("a", "1", 8), ("b", "2", 8), ("c", "1", 16))
    ]
    groups = group_runs(runs)
    assert [[run.name for run in group.runs] for group in groups] == [["a", "c"], ["b"]]
    assert differing_keys(runs) == {"model.width": [8, 8, 16]}


def test_tables_hold_what_the_runs_hold(tmp_path: Path) -> None:
    rows = [row_of(read_run(write_run(tmp_path / "a")))]
    assert rows[0]["gain_db"] == pytest.approx(-0.8)
    text = text_table(rows)
    assert "1,234" in text and "-0.80" in text
    assert "vram_peak_mb" not in text, "a column without values is left out"
    lines = csv_table(rows).splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert "0.06," in lines[1]
    assert markdown_table(rows).count("|\n") == 3


def test_seeds_are_one_row_with_an_interval_over_seeds(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / f"a-s{seed}", seed=seed, psnr=[base, base + 1]))
        for seed, base in ((0, 30.0), (1, 30.2), (2, 30.1))
    ]
    (group,) = group_runs(runs)
    (row,) = group.rows()
    assert (row["run"], row["seeds"], row["interval_over"]) == ("a", 3, "3 seeds")
    assert row["val_psnr"] == pytest.approx(30.6)
    assert row["val_psnr_half_width"] == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-3)
    assert "30.60 ± 0.25" in text_table([row])
    single = row_of(runs[0])
    assert (single["seeds"], single["interval_over"]) == (None, "2 images")


def test_every_run_is_tested_against_the_best_on_the_same_pictures(tmp_path: Path) -> None:
    base = [28.0 + 0.5 * i for i in range(12)]
    better = [value + 0.4 + 0.05 * (i % 3) for i, value in enumerate(base)]
    noise = [value + 0.45 + (0.3 if i % 2 else -0.3) for i, value in enumerate(base)]
    runs = [
        read_run(write_run(tmp_path / name, width=width, psnr=psnr))
        for name, width, psnr in (("base", 1, base), ("better", 2, better), ("noise", 3, noise), ("none", 4, None))
    ]
    (group,) = group_runs(runs)
    best, rows = pair_with_best(group)
    assert best in ("better", "noise")
    assert {row["run"] for row in rows} == {"base", "better", "noise"} - {best}
    by_name = {row["run"]: row for row in rows}
    assert by_name["base"]["p"] < 0.01
    assert by_name["base"]["difference_db"] < -0.3
    other = by_name["noise" if best == "better" else "better"]
    assert other["p"] > 0.05 and other["low_db"] < 0 < other["high_db"]
    assert pair_with_best(group_runs(runs[:1])[0]) == ("", [])


def test_what_mattered_in_a_full_grid(tmp_path: Path) -> None:
    runs = [
        read_run(
            write_run(tmp_path / f"w{width}-s{seed}", width=width, seed=seed, psnr=[20.0 + width + 0.1 * seed] * 2)
        )
        for width in (4, 8)
        for seed in (0, 1)
    ]
    (group,) = group_runs(runs)
    shares = what_mattered(group)
    assert set(shares) == {"model.width", "residual"}
    assert shares["model.width"] > 0.99
    assert what_mattered(group_runs(runs[:3])[0]) == {}
