"""Rows, intervals and tests of run folders: tables hold what the runs hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import write_classifier, write_run
from srae.analysis.against_best import pair_with_best
from srae.analysis.compare import group_runs
from srae.analysis.describe import comparison_lines, describe_group
from srae.analysis.design import differing_keys, what_mattered
from srae.analysis.permutation import can_tell
from srae.analysis.rows import COLUMNS, format_cell, row_of, text_table
from srae.analysis.scores import ACCURACY, PSNR, score_of
from srae.cli import main
from srae.report.table_files import to_csv, to_markdown
from srae.report.tables import comparison_table
from srae.runs.reader import read_run


def test_runs_are_grouped_by_data_and_protocol(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / name, fingerprint=fingerprint, width=width))
        for name, fingerprint, width in (("a", "1", 8), ("b", "2", 8), ("c", "1", 16))
    ]
    groups = group_runs(runs)
    assert [[run.name for run in group.runs] for group in groups] == [["a", "c"], ["b"]]
    assert differing_keys(runs) == {"model.width": [8, 8, 16]}


def test_tables_hold_what_the_runs_hold(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a"))
    rows = [row_of(run)]
    assert rows[0]["gain_db"] == pytest.approx(-0.8)
    text = text_table(rows)
    assert "1,234" in text and "-0.80" in text
    assert "vram_peak_mb" not in text, "a column without values is left out"
    table = comparison_table(group_runs([run])[0])
    lines = to_csv(table).splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert "0.06," in lines[1]
    assert to_markdown(table).count("|\n") == 3


def test_seeds_are_one_row_with_an_interval_over_seeds(tmp_path: Path) -> None:
    runs = [
        read_run(write_run(tmp_path / f"a-s{seed}", seed=seed, psnr=[base, base + 1]))
        for seed, base in ((0, 30.0), (1, 30.2), (2, 30.1))
    ]
    (group,) = group_runs(runs)
    (row,) = group.rows
    assert (row["run"], row["seeds"], row["interval_over"]) == ("a", 3, "3 seeds")
    assert row["val_psnr"] == pytest.approx(30.6)
    half = pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-3)
    assert (30.6 - row["val_psnr_low"], row["val_psnr_high"] - 30.6) == (half, half)
    assert "30.60 ± 0.25" in text_table([row])
    single = row_of(runs[0])
    assert (single["seeds"], single["interval_over"]) == (None, "2 images")


def test_a_seed_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed, psnr in (("a", 0, [30.0, 31.0]), ("a-2", 0, [30.0, 31.0]), ("a-3", 1, [30.2, 31.2])):
        write_run(tmp_path / name, seed=seed, psnr=psnr)
    first, repeat, other = (read_run(tmp_path / name) for name in ("a", "a-2", "a-3"))
    (group,) = group_runs([first, read_run(tmp_path / "." / "a")])
    (row,) = group.rows
    assert (row["seeds"], row["interval_over"]) == (None, "2 images"), "named twice"
    (group,) = group_runs([first, repeat])
    assert [(row["run"], row["seeds"]) for row in group.rows] == [("a", None), ("a-2", None)], "trained twice"
    (group,) = group_runs([first, repeat, other])
    assert [(row["run"], row["seeds"]) for row in group.rows] == [("a", 2), ("a-2", None)]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert main(["compare", "a", "link", str(tmp_path / "a"), "--runs-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "seeds" not in said and "tests on" not in said


@pytest.mark.parametrize(("images", "rivals", "testable"), [(5, 1, False), (6, 1, True), (6, 3, False), (8, 3, True)])
def test_too_few_images_are_not_called_noise(tmp_path: Path, images: int, rivals: int, testable: bool) -> None:
    for rival in range(rivals + 1):
        write_run(tmp_path / f"w{rival}", width=rival, psnr=[30.0 + i - rival * (1 + i / 9) for i in range(images)])
    (group,) = group_runs(read_run(tmp_path / f"w{rival}") for rival in range(rivals + 1))
    assert can_tell(images, rivals) == testable == describe_group(group)["testable"]
    assert {test["testable"] for test in describe_group(group)["against_best"]} == {testable}
    assert "noise" not in "\n".join(comparison_lines(group)), "all images agree"


def test_experiments_of_one_name_are_told_apart_by_their_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [28.0 + 0.5 * i for i in range(12)]
    figures = {"s1/w4": (4, 3.0), "s1/w8": (8, 1.0), "s2/w4": (5, 0.0), "s2/w8": (9, 2.0)}
    for name, (width, more) in figures.items():
        write_run(tmp_path / name, width=width, psnr=[value + more for value in base])
    studies = [str(tmp_path / name) for name in ("s1", "s2")]
    assert main(["compare", *studies, "--json", "-o", str(tmp_path / "out")]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in group["rows"]] == list(figures)
    assert group["best"] == "s1/w4"
    differences = {row["run"]: row["difference_db"] for row in group["against_best"]}
    assert differences == pytest.approx({"s1/w8": -2, "s2/w4": -3, "s2/w8": -1})
    svg = (tmp_path / "out" / "curves.svg").read_text()
    assert all(f">{name}<" in svg for name in figures)


def test_names_are_unique_whatever_lies_where(tmp_path: Path) -> None:
    """Two studies of one name, and a run that is called as the seeds of another experiment are together."""
    places = [("x/s/a", 1, 0), ("y/s/a", 2, 0), ("s/b-s0", 3, 0), ("s/b-s1", 3, 1), ("s/b", 4, 0), ("s/c", 5, 0)]
    (group,) = group_runs([read_run(write_run(tmp_path / p, width=w, seed=s)) for p, w, s in places])
    longer = [str(tmp_path / place) for place in ("x/s/a", "y/s/a", "s/b-s0", "s/b")]
    assert list(group.experiments) == [*longer, "c"]


def test_every_run_is_tested_against_the_best_on_the_same_images(tmp_path: Path) -> None:
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


def write_images(folder: Path, columns: str, *rows: str) -> Path:
    """Replace images.csv; gives a run metrics of test too, so that it has been scored there."""
    (folder / "images.csv").write_text("\n".join([columns, *rows]) + "\n")
    if any(row.startswith("test") for row in rows):
        change_summary(folder, test={"mse": 0.07, "psnr": 11.0, "ssim": 0.4})
    return folder


def change_summary(folder: Path, **values: object) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, **values}))


def test_an_exact_image_is_left_out_for_every_run_and_the_baseline(tmp_path: Path) -> None:
    """`b` reproduces image 2 exactly, the baseline image 3; SSIM and MSE keep both."""
    columns, identity = "split,name,psnr,ssim,identity_mse", (1e-3, 1e-2, 1e-4, 0.0)
    for name, width, psnr in (("a", 1, (30, 20, 40, 90)), ("b", 2, (31, 22, "inf", 80))):
        folder = write_run(tmp_path / name, width=width)
        rows = zip(psnr, (0.1, 0.2, 0.3, 0.4), identity, strict=True)
        write_images(folder, columns, *(f"val,{i},{p},{s},{e}" for i, (p, s, e) in enumerate(rows)))
    (group,) = group_runs(read_run(tmp_path / name) for name in "ab")
    assert group.left_out == ["2", "3"]
    first, second = group.rows
    assert (first["val_psnr"], second["val_psnr"]) == (25, 26.5)
    assert group.baseline is not None and group.baseline["psnr"] == pytest.approx(25)
    assert (first["gain_db"], second["gain_db"]) == pytest.approx((0, 1.5))
    assert (first["val_ssim_low"] < 0.25 < first["val_ssim_high"]) and first["interval_over"] == "4 images"
    best, (test,) = pair_with_best(group)
    assert (best, test["images"], test["difference_db"]) == ("b", 2, -1.5)
    assert describe_group(group)["left_out"] == {"val": ["2", "3"]}
    assert "2, 3" in "\n".join(comparison_lines(group))


def test_tests_and_gains_are_on_test_where_every_run_has_one(tmp_path: Path) -> None:
    columns = "split,name,psnr,ssim,identity_mse"
    for name, width, psnr in (("a", 1, 30), ("b", 2, 29)):
        values = [f"test,{i},{psnr + i},{0.5 + i / 20},0.001" for i in range(6)]
        folder = write_images(write_run(tmp_path / name, width=width), columns, "val,0,9,0.5,0.1", *values)
        change_summary(folder, test_identity={"mse": 0.001, "psnr": 10.0, "ssim": 0.3})
    write_run(tmp_path / "c", width=3)
    (group,) = group_runs(read_run(tmp_path / name) for name in "ab")
    assert (group.score.column, describe_group(group)["split"]) == ("test_psnr", "test")
    row = group.rows[0]
    assert (row["test_gain_db"], row["gain_db"]) == pytest.approx((1.0, -0.8))
    assert row["test_ssim_low"] < row["test_ssim_high"] and row["test_psnr_low"] < row["test_psnr_high"]
    best, (test,) = pair_with_best(group)
    assert (best, test["images"], test["difference_db"]) == ("a", 6, -1)
    assert "test images" in "\n".join(comparison_lines(group))
    (mixed,) = group_runs(read_run(tmp_path / name) for name in "abc")
    assert (mixed.score.column, [run.name for run in mixed.without_test]) == ("val_psnr", ["c"])
    assert "c" in describe_group(mixed)["why_split"]


def test_a_run_that_is_the_baseline_gives_it_where_none_is_recorded(tmp_path: Path) -> None:
    for name, config in (("net", "model: {name: residual}\n"), ("bicubic", "model: {name: bicubic}\n")):
        change_summary(write_run(tmp_path / name, config=config), test={"mse": 0.1, "psnr": 10.0 + len(name)})
    change_summary(tmp_path / "bicubic", parameters=0)
    (group,) = group_runs(read_run(tmp_path / name) for name in ("net", "bicubic"))
    assert group.baseline is not None and group.baseline["psnr"] == 17
    assert [row["test_gain_db"] for row in group.rows] == [-4, 0]


def test_seeds_of_two_releases_are_one_experiment(tmp_path: Path) -> None:
    """A key that a release added is missing in the older config.yaml, where its default was the only value."""
    for seed in (0, 1):
        write_run(tmp_path / f"a-s{seed}", seed=seed, psnr=[30.0 + seed, 31.0])
    text = (tmp_path / "a-s0" / "config.yaml").read_text()
    assert "warmup_epochs: 0.0\n" in text
    (tmp_path / "a-s0" / "config.yaml").write_text(text.replace("  warmup_epochs: 0.0\n", ""))
    runs = [read_run(tmp_path / f"a-s{seed}") for seed in (0, 1)]
    (group,) = group_runs(runs)
    assert [row["seeds"] for row in group.rows] == [2]
    assert differing_keys(runs) == {"seed": [0, 1]}


def test_more_than_ten_experiments_are_listed_best_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = [5, 2, 9, 12, 1, 7, 11, 3, 10, 4, 8, 6]
    for width in order:
        write_run(tmp_path / "s" / f"w{width:02}", width=width, psnr=[float(width), width + 1.0])
    runs = {width: read_run(tmp_path / "s" / f"w{width:02}") for width in order}
    (few,) = group_runs(runs[width] for width in order[:10])
    assert [row["run"] for row in few.rows] == [f"w{width:02}" for width in order[:10]]
    assert [row["run"] for row in few.top_rows(2)] == ["w12", "w11"]
    (many,) = group_runs(runs.values())
    assert [row["run"] for row in many.rows] == [f"w{width:02}" for width in range(12, 0, -1)]
    command = ["compare", str(tmp_path / "s"), "--top", "3"]
    assert main([*command, "--json", "-o", str(tmp_path / "out")]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in group["rows"]] == ["w12", "w11", "w10"]
    assert [row["run"] for row in group["against_best"]] == ["w11", "w10"]
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == 4
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "w09" not in said and "model.width: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12\n" in said


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


# ---------------------------------------------------------------------------- classifiers

TRUE = ["cat", "dog"] * 30


def answers(wrong: int) -> list[tuple[str, str]]:
    """60 images of which the first `wrong` are taken for a frog."""
    return [(true, "frog" if i < wrong else true) for i, true in enumerate(TRUE)]


def test_classifiers_are_ranked_by_accuracy_with_intervals(tmp_path: Path) -> None:
    run = read_run(write_classifier(tmp_path / "a", answers(6), test=answers(12)[:40]))
    row = row_of(run)
    assert (row["val_accuracy"], row["test_accuracy"], row["train_accuracy"]) == (0.9, pytest.approx(0.7), 0.99)
    assert (row["multiply_adds"], row["val_psnr"], row["train_mse"], row["gain_db"]) == (400_000, None, None, None)
    # Wilson's interval of 54 of 60
    center, half = (0.9 + 3.8415 / 120) / (1 + 3.8415 / 60), 1.96 * (0.09 / 60 + 3.8415 / 14400) ** 0.5 / 1.064
    ends = pytest.approx((center - half, center + half), rel=1e-3)
    assert (row["val_accuracy_low"], row["val_accuracy_high"]) == ends
    assert row["interval_over"] == "60 val, 40 test images"
    text = text_table([row])
    assert f"90.00% [{center - half:.1%}, {center + half:.1%}]" in text and "400,000" in text
    assert "psnr" not in text and "mse" not in text
    assert set(row) == {*COLUMNS, "by_seed"}


def test_the_score_follows_the_task_or_what_was_measured(tmp_path: Path) -> None:
    net = read_run(write_classifier(tmp_path / "net", answers(1)))
    assert (score_of(net), score_of(read_run(write_run(tmp_path / "sr")))) == (ACCURACY, PSNR)
    (tmp_path / "net" / "summary.json").unlink()
    (tmp_path / "net" / "config.yaml").write_text("model: {name: conv_classifier}\n")
    assert score_of(read_run(tmp_path / "net")) is ACCURACY
    assert len(group_runs([net, read_run(write_run(tmp_path / "other"))])) == 2


def test_classifiers_are_tested_on_the_same_images(tmp_path: Path) -> None:
    runs = [
        read_run(write_classifier(tmp_path / name, answers(wrong), width=wrong))
        for name, wrong in (("good", 2), ("bad", 14), ("near", 3))
    ]
    (group,) = group_runs(runs)
    best, tests = pair_with_best(group)
    assert best == "good" and [test["run"] for test in tests] == ["bad", "near"]
    bad, near = tests
    assert bad["difference_points"] == pytest.approx(-20)
    assert bad["low_points"] < -20 < bad["high_points"] < 0
    assert bad["p"] == pytest.approx(2 * 2 * 0.5**12), "McNemar: 12 of 12 images against it, Holm doubles"
    assert bad["win_rate"] == pytest.approx((60 - 12) / 60 / 2)
    assert near["p"] == 1.0
    assert "difference_db" not in bad


def test_what_mattered_for_classifiers(tmp_path: Path) -> None:
    runs = [
        read_run(write_classifier(tmp_path / f"w{width}-s{seed}", answers(wrong), width=width, seed=seed))
        for width, seed, wrong in ((4, 0, 20), (4, 1, 21), (8, 0, 5), (8, 1, 4))
    ]
    (group,) = group_runs(runs)
    assert what_mattered(group)["model.width"] > 0.98
    rows = group.rows
    assert [row["interval_over"] for row in rows] == ["2 seeds", "2 seeds"]
    assert rows[0]["val_accuracy"] == pytest.approx(1 - 20.5 / 60)


def test_the_command_compares_classifiers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, wrong in (("a_1", 2), ("b", 14)):
        write_classifier(tmp_path / name, answers(wrong), width=wrong)
    command = ["compare", "a_1", "b", "--runs-dir", str(tmp_path)]
    assert main([*command, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "accuracy: share of images" in said and "-20.00 points [" in said and " dB" not in said
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "table.csv", "table.md", "table.tex", "curves.png", "curves.svg",
    }  # fmt: skip
    tex = (tmp_path / "out" / "table.tex").read_text()
    assert r"a\_1" in tex and r"96.7\%" in tex and r"\toprule" in tex
    svg = (tmp_path / "out" / "curves.svg").read_text()
    assert "cross-entropy (nats)" in svg and ">accuracy<" in svg
    assert main([*command, "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert (group["score"], group["best"], group["identity"]) == ("val_accuracy", "a_1", None)
    assert group["against_best"][0]["difference_points"] == pytest.approx(-20)


def test_intervals_of_test_and_missing_values(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", psnr=[30.0, 31.0])
    with open(folder / "images.csv", "a") as file:
        file.write("test,0.png,29\ntest,1.png,inf\n")
    row = row_of(read_run(folder))
    assert row["val_psnr_low"] is not None and row["val_psnr_high"] is not None
    assert row["test_psnr_low"] is None, "an infinite PSNR has no interval"
    assert row["interval_over"] == "2 images"


@pytest.mark.parametrize("psnr", ["null", "Infinity"])
def test_an_infinite_psnr_is_no_figure(tmp_path: Path, psnr: str, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_run(tmp_path / f"a-s{seed}", seed=seed) for seed in (0, 1)]
    for folder in folders:  # the baseline returns a flat image exactly; so does one of the networks
        text = (folder / "summary.json").read_text().replace('"psnr": 13.0', f'"psnr": {psnr}')
        text = text.replace('"psnr": 12.2', f'"psnr": {psnr}') if folder.name == "a-s1" else text
        (folder / "summary.json").write_text(text)
    first, second = map(row_of, map(read_run, folders))
    assert (first["val_psnr"], first["gain_db"], second["val_psnr"]) == (12.2, None, None)
    assert main(["compare", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert (
        "returning the input on val: mse 0.050000\n" in said
        and "0.060000, 0.060000 (n = 2)" in said
        and "inf" not in said
    )


def test_folders_of_other_versions_are_read_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older srae knew fewer columns and keys, a newer one knows more; a damaged one has neither."""
    write_run(tmp_path / "now", psnr=[30.0, 31.0])
    old = write_run(tmp_path / "old", psnr=[28.0, 29.5], width=4)
    (old / "metrics.csv").write_text("epoch,train_mse,val_mse,val_psnr\n1,0.2,0.3,5\n2,0.1,0.2,28.75\n")
    summary = json.loads((old / "summary.json").read_text())
    for key in ("parameters", "images_per_second", "rss_peak_mb", "vram_peak_mb", "train", "test", "version"):
        del summary[key]
    del summary["protocol"]["baseline"]
    (old / "summary.json").write_text(json.dumps({**summary, "val": {"psnr": 28.75}, "identity": {"mse": 0.05}}))
    new = write_run(tmp_path / "new", psnr=[32.0, 33.0], width=16)
    rows = (new / "metrics.csv").read_text().splitlines()
    lines = [f"{rows[0]},val_lpips,note", *(f"{row},0.25,a b" for row in rows[1:]), f"{rows[-1]},1,2,3,4,5"]
    (new / "metrics.csv").write_text("\n".join(lines) + "\n")
    (new / "config.yaml").write_text("version: 3\nmodel: {name: residual, width: 16}\nswarm: {size: 3}\nseed: 0\n")
    summary = json.loads((new / "summary.json").read_text())
    summary = {**summary, "version": 3, "energy": {"joule": [1, 2]}, "val": {**summary["val"], "lpips": 0.25}}
    (new / "summary.json").write_text(json.dumps(summary))
    (new / "images.csv").write_text("split,name,psnr,lpips\nval,0.png,32,0.2\nval,1.png,33,0.3\n")
    for number, (summary_json, metrics) in enumerate((("[]", "epoch\n1\n"), ("{", "\x00\xff,"), ("null", "a,b\n"))):
        damaged = write_run(tmp_path / f"damaged{number}")
        (damaged / "summary.json").write_text(summary_json)
        (damaged / "metrics.csv").write_bytes(metrics.encode("latin-1"))
        (damaged / "images.csv").write_bytes(b"\xff\xfe,\x00\n1")

    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert main(["compare", "now", "old", "new", "--runs-dir", str(tmp_path), "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    psnr = {row["run"]: row["val_psnr"] for row in group["rows"]}
    assert psnr == {"now": 30.5, "old": 28.75, "new": 32.5}
    assert group["best"] == "new"
    assert [row["difference_db"] for row in group["against_best"]] == pytest.approx([-2, -3.75])
    assert main(["compare", str(tmp_path), "-o", str(tmp_path / "table")]) == 0
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "report")]) == 0
    assert "swarm" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("val_psnr", (33.8512, 32.6512, 35.0512), "33.85 ± 1.2"),
        ("val_psnr", (12.1538, 12.1226, 12.1850), "12.15 ± 0.03"),
        ("val_psnr", (36.244, 29.9, 70.2), "36.24 [30, 70]"),
        ("val_mse", (0.213764, 0.137424, 0.290104), "0.214 ± 0.076"),
        ("val_ssim", (0.9232, 0.8691, 0.9794), "0.923 [0.869, 0.979]"),
        ("val_accuracy", (0.95, 0.7639, 0.9911), "95.00% [76%, 99%]"),
        ("val_accuracy", (0.9842, 0.9816, 0.9865), "98.42% [98.16%, 98.65%]"),
        ("gain_db", (0.5432, 0.5, 0.5864), "+0.54 ± 0.04"),
        ("test_mse", (0.000614, -0.000031, 0.004148), "0.0006 [0.0000, 0.0041]"),
        ("val_psnr", (30.0, 30.0, 30.0), "30.00 ± 0.00"),
        ("val_psnr", (30.0, None, None), "30.00"),
        ("val_psnr", (None, None, None), "-"),
    ],
)
def test_a_cell_has_two_significant_digits_of_its_interval(
    column: str, values: tuple[float | None, float | None, float | None], text: str
) -> None:
    value, low, high = values
    assert format_cell(column, {column: value, f"{column}_low": low, f"{column}_high": high}) == text
