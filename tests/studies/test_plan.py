"""A study: its plan, what is skipped and resumed, and its rows with intervals over seeds."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from refusals import refuses
from srae.analysis.compare import group_runs
from srae.cli import main
from srae.config.loading import CONFIG_FOLDERS
from srae.errors import ConfigError
from srae.runs.layout import check_name, list_runs
from srae.runs.messages import epoch_line, val_sentence
from srae.runs.reader import read_run
from srae.studies import workers
from srae.studies.plan import PlannedRun, load_study, plan, read_parts, table_text
from srae.studies.workers import Launch

STUDIES = sorted((next(f for f in CONFIG_FOLDERS if f.is_dir()) / "studies").glob("*.yaml"))
BASE = """
model: {{name: residual, width: 4, blocks: 1}}
data: {{folder: {folder}}}
train: {{epochs: 2, batch_size: 2}}
"""


def write_study(folder: Path, text: str) -> Path:
    file = folder / "widths.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_have_a_plan_and_a_header(path: Path, tmp_path: Path) -> None:
    study = load_study(path)
    planned = plan(study, path, tmp_path)
    assert len({p.name for p in planned}) == len(planned) >= 2
    words = [line.lstrip("# ").split(":")[0] for line in path.read_text().splitlines()[2:6]]
    assert words[:2] == ["Question", "Command"]


def test_the_plan_is_every_combination_and_seed(tmp_path: Path) -> None:
    file = write_study(
        tmp_path,
        "configs: [cnn4_tanh, cnn4_relu]\nset: {train.epochs: 1}\n"
        "grid: {train.learning_rate: [0.001, 1e-2], data.channels: [RGB]}\nseeds: [3, 4]",
    )
    planned = plan(load_study(file), file, tmp_path / "runs")
    assert len(planned) == 2 * 2 * 1 * 2
    assert planned[0].name == "cnn4_tanh-learning_rate_0.001-channels_RGB-s3"
    assert planned[0].overrides == ["train.epochs=1", "train.learning_rate=0.001", 'data.channels="RGB"', "seed=3"]
    assert {p.state for p in planned} == {"new"}


def test_names_that_srae_makes_are_never_refused_and_do_not_change(tmp_path: Path) -> None:
    grid: dict[str, list[object]] = {
        "train.learning_rate": [0.001, 0.002], "train.clip_gradient": [None, 1.0], "train.optimizer": ["adam"],
        "train.schedule": ["cosine"], "train.loss": ["l1"], "data.augment": [["flip", "rotate"]],
        "data.degrade": [{"kernel": "bicubic", "scale": 2}], "model.kernel": [[3, 3, 3, 3], [5, 5, 5, 5]],
        "data.crop": [64],
    }  # fmt: skip
    (tmp_path / "my résumé.yaml").write_text("model: {name: identity}\ndata: {folder: x}\n")

    def names(**parts: object) -> list[str]:
        file = write_study(tmp_path, json.dumps({"configs": ["cnn4_tanh"], **parts}))
        planned = plan(load_study(file), file, tmp_path / "runs")
        table = list(csv.DictReader(io.StringIO(table_text(planned))))
        assert [row["run"] for row in table] == [run.name for run in planned]
        for row, run in zip(table, planned, strict=True):
            told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.varied.items()}
            assert {key: row[key] for key in told} == told and int(row["seed"]) == run.seed
        return [check_name(run.name) for run in planned]

    long = names(grid=grid, seeds=[0, 10])
    assert len(set(long)) == len(long) == 16
    assert set(long) < set(names(grid={**grid, "train.learning_rate": [0.001, 0.002, 0.003]}, seeds=[0, 10]))
    assert names(grid={"data.degrade": grid["data.degrade"], "train.clip_gradient": [None]}) == [
        "degrade_bicubic_2-clip_gradient_null-s0"
    ]
    equal = names(grid={"data.augment": [["flip", "rotate"], ["flip_rotate"]][:1], "train.patience": [1, 2]})
    assert equal == ["augment_flip_rotate-patience_1-s0", "augment_flip_rotate-patience_2-s0"]
    assert names(configs=["my résumé.yaml"]) == ["my_r_sum_-s0"]


def test_values_that_read_alike_get_names_of_their_own(tmp_path: Path) -> None:
    text = "configs: [cnn4_tanh]\ngrid: {model.kernel: [3, '3']}"
    file = write_study(tmp_path, text.replace("'3'", "[3, 3, 3, 3]").replace("[3, [", "[[3, 3, 3, 3], ["))
    with refuses(ConfigError, "s0"):
        plan(load_study(file), file, tmp_path / "runs")


def test_every_wrong_config_is_told_at_once(tmp_path: Path) -> None:
    file = write_study(
        tmp_path,
        "configs: [cnn4_tanh, cnn4_relu]\ngrid: {train.optimizer: [adam, adamm], train.epochs: [1, 0]}\nseeds: [0, 1]",
    )
    with refuses(ConfigError, "12 runs", "adamm", "train.epochs=0"):
        plan(load_study(file), file, tmp_path / "runs")


def test_what_is_done_is_said_when_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_study(tmp_path, "configs: [cnn4_tanh]\nseeds: [0, 1, 2]")
    others_are_said = threading.Event()

    def train(run: PlannedRun, *_: object) -> str | None:
        if run.seed == 0:  # the first takes longest
            assert others_are_said.wait(60)
        return "no luck" if run.seed == 2 else None

    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "s2" in line:  # done after s1, as one of the two workers waits
            others_are_said.set()

    monkeypatch.setattr(workers, "_train", train)
    failed = workers.run_study(plan(load_study(file), file, tmp_path / "runs"), tmp_path / "runs", say, Launch(jobs=2))
    assert failed == ["cnn4_tanh-s2"]
    assert [line.split()[1] for line in said[1:]][-1] == "cnn4_tanh-s0"
    assert sorted(line.split()[0] for line in said[1:]) == ["1/3", "2/3", "3/3"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("configs: [cnn4_tanh]\ndraw: [loks]", ("widths.yaml:2: draw.0: ", "'loks'", "results, classes")),
        ("configs: [cnn4_tanh]\ngird: {}", ("widths.yaml:2: gird: ", "grid?")),
        ("seeds: [0]", ("configs: ",)),
        ("configs: [cnn4_tang]", ("cnn4_tang", "cnn4_tanh?")),
        ("configs: [cnn4_tanh]\ngrid: {train.epoch: [1]}", ("train.epoch", "epochs?")),
        ("configs: [cnn4_tanh]\ngrid: {seed: [1, 2]}", ("seed", "seeds")),
        ("configs: [cnn4_tanh]\nseeds: []", ("seeds: ", "1")),
        ("configs: [cnn4_tanh]\nseeds: [1, 1]", ("cnn4_tanh-s1",)),
    ],
)
def test_a_wrong_study_is_refused_before_anything_runs(tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    file = write_study(tmp_path, text)
    with refuses(ConfigError, *named):
        plan(load_study(file), file, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_study_skips_resumes_reports_and_compares(
    pair_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def told(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert main(list(arguments)) == code
        return capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    study, folder = ["study", "widths.yaml", "--device", "cpu"], tmp_path / "runs" / "widths"
    (tmp_path / "base.yaml").write_text(BASE.format(folder=pair_folder(size=(16, 16))))
    write_study(tmp_path, "configs: [base.yaml]\ngrid: {model.width: [4, 0]}\ndraw: [results]")
    assert read_parts(folder) is None
    out, err = told(*study, "--json", code=4)  # a network of width 0 cannot be built
    assert err.count("FAILED") == 1 and len(re.findall(r"width_4-s0  val mse .* dB ", err)) == 1
    assert list(json.loads(out)["runs"].values()) == ["done", "new"]

    file = write_study(tmp_path, "configs: [base.yaml]\ngrid: {model.width: [4]}\nseeds: [0, 1]\ndraw: [results]")
    _, other = plan(load_study(file), file, folder)
    told(*workers.command_of(other, "cpu"))
    (folder / "width_4-s1" / "DONE").unlink()  # as if it had been killed
    assert re.search(r"2 runs: 1 \w+, 1 ", told(*study)[1])
    assert (folder / "width_4-s1" / "DONE").exists()

    (group,) = group_runs(read_run(path) for path in list_runs(folder))
    (row,) = group.rows
    values = [read_run(path).summary["val"]["psnr"] for path in list_runs(folder)]  # type: ignore[index]
    assert (row["run"], row["seeds"], row["interval_over"]) == ("width_4", 2, "2 seeds")
    assert row["val_psnr"] == pytest.approx(sum(values) / 2)
    half = 12.706 * abs(values[0] - values[1]) / 2
    assert row["val_psnr_high"] - row["val_psnr"] == pytest.approx(half, rel=1e-3)
    shown, _ = told("compare", "widths")
    assert "(n = 2)" in shown and "2 seeds" in shown
    assert "2 images" in told("compare", str(folder / "width_4-s0"), "-o", "out")[0]
    with open(tmp_path / "out" / "table.csv") as table:
        found = next(csv.DictReader(table))
        assert float(found["val_psnr_low"]) < float(found["val_psnr"]) < float(found["val_psnr_high"])

    assert read_parts(folder) == ["results"]
    for runs, has_all in (("widths", False), ("widths/width_4-s0", True)):  # a run alone: everything
        told("report", runs, "-o", f"of {runs[-2:]}")
        drawn = {path.stem for path in (tmp_path / f"of {runs[-2:]}" / "figures").iterdir()}
        assert "curves" in drawn and ("strip" in drawn) == has_all

    (tmp_path / "base.yaml").write_text((tmp_path / "base.yaml").read_text().replace("epochs: 2", "epochs: 3"))
    assert "width_4-s0" in told(*study, code=2)[1]


@pytest.mark.parametrize("psnr", [None, math.inf])
def test_without_a_finite_psnr_the_mean_error_is_the_judge(psnr: float | None) -> None:
    """In memory the PSNR of a flat image, returned exactly, is infinite; in summary.json it is null."""
    val, protocol = {"mse": 0.002, "psnr": 30.0, "ssim": 0.9}, {"baseline": "returning the input"}
    identity = {"mse": 0.003, "psnr": psnr, "ssim": 0.8}
    assert val_sentence({"val": val, "identity": identity, "protocol": protocol}) == (
        "val mse 0.002000, 30.00 dB, ssim 0.9000: better than returning the input, by mean error (its mse 0.003000)"
    )
    exact = {**val, "psnr": psnr}
    for mse, words in ((0.002, "as good as"), (0.001, "below")):
        said = val_sentence({"val": exact, "identity": {"mse": mse, "psnr": 28.0}, "protocol": protocol})
        assert f"no finite PSNR, ssim 0.9000: {words} returning the input" in said
    row = {"epoch": 1, "train_mse": 0.1, "val_mse": 0.1, "val_psnr": 30.0, "images_per_second": 1, "wall_seconds": 1}
    assert "30.00 dB (input no finite PSNR)  " in epoch_line(row, 1, identity)
    assert "30.00 dB (bicubic 28.00)  " in epoch_line(row, 1, {"psnr": 28.0}, "bicubic interpolation")


def test_a_dry_run_says_what_and_how_long_and_makes_nothing(
    pair_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE.format(folder=pair_folder(size=(16, 16))))
    write_study(tmp_path, "configs: [base.yaml]\ngrid: {model.width: [4, 0]}\nseeds: [0, 1]")
    assert main(["study", "widths.yaml", "--dry-run"]) == 4
    said = capsys.readouterr().err
    assert len(re.findall(r"^new +width_4-s\d  \d+ s$", said, re.MULTILINE)) == 2
    assert said.count("model.width") == 2 and "4 runs" in said  # told once: where, and which key
    assert not (tmp_path / "runs").exists()


def test_the_expected_time_of_a_run_has_its_start_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 107.0])
    monkeypatch.setattr(workers.time, "perf_counter", lambda: next(clock))
    plan_of, commands = '{"expected_seconds": 20.5}', list[list[str]]()

    def dry_run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess([], 0, plan_of, "")

    monkeypatch.setattr(workers.subprocess, "run", dry_run)
    file = write_study(tmp_path, "configs: [cnn4_tanh]\nseeds: [0, 1]")
    planned = plan(load_study(file), file, tmp_path / "runs")
    assert [expected.seconds for _, expected in workers.expect(planned, "cpu")] == [27.5, 27.5]
    (command,) = commands  # seeds cost the same; runs to start from are sought where the study's own will be
    assert command[command.index("--runs-dir") + 1] == str(tmp_path / "runs")
