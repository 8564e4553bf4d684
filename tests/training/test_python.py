"""`srae.train`, `srae.resume`, `srae.evaluate`, `srae.load_run`: the same run folder as the command's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import srae
from builders import write_pairs
from conftest import Run
from refusals import refuses
from srae.config.loading import dump_config
from srae.errors import ConfigError, RunBusyError
from srae.runs.locks import lock_file
from toy_training import assert_same_run, toy, toy_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", val=3, size=(24, 24))


def test_the_run_is_the_commands(folder: Path, tmp_path: Path, call: Run) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(folder))
    done = call("train", "--config", "toy.yaml", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    lines: list[str] = []
    run = srae.train(tmp_path / "toy.yaml", device="cpu", runs_dir=tmp_path / "here", say=lines.append)
    assert_same_run(run.path, tmp_path / "runs" / "toy")
    assert (run.name, run.status) == ("toy", "done")
    for name in ("log.txt", "curves.png", "curves.svg", "model.safetensors"):
        assert (run.path / name).stat().st_size, name
    logged = (run.path / "log.txt").read_text()
    assert all(line in logged for line in lines) and len(lines) > 5
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3]
    loaded = srae.load_run("toy", tmp_path / "here")
    assert loaded.metrics == run.metrics and loaded.summary == run.summary
    assert srae.load_run(run.path).path == run.path


@pytest.mark.parametrize("as_what", [dict, str, Path, "config"])
def test_a_config_is_a_mapping_a_file_or_a_config(as_what: Any, folder: Path, tmp_path: Path) -> None:
    text = dump_config(toy(folder, epochs=1))
    (tmp_path / "toy.yaml").write_text(text)
    config = toy(folder, epochs=1) if as_what == "config" else (
        yaml.safe_load(text) if as_what is dict else as_what(tmp_path / "toy.yaml")
    )  # fmt: skip
    run = srae.train(config, {"seed": 4}, device="cpu", runs_dir=tmp_path / "runs", say=lambda _: None)
    assert run.config is not None and run.config["seed"] == 4 and len(run.metrics) == 1
    assert run.name == ("toy" if as_what in (str, Path) else "run")


def test_a_callback_sees_every_row_and_may_end_the_training(folder: Path, tmp_path: Path) -> None:
    seen: list[Mapping[str, Any]] = []

    def watch(row: Mapping[str, Any]) -> bool:
        seen.append(row)
        return row["epoch"] == 2

    options: dict[str, Any] = {"device": "cpu", "say": lambda _: None, "runs_dir": tmp_path / "runs"}
    run = srae.train(toy(folder, epochs=5), on_epoch=watch, name="short", **options)
    assert [row["epoch"] for row in seen] == [1, 2]
    assert run.summary is not None and (run.status, run.summary["epochs"]) == ("done", 2)
    again = srae.resume("short", on_epoch=seen.append, **options)
    assert [row["epoch"] for row in seen] == [1, 2, 3, 4, 5]
    assert_same_run(again.path, srae.train(toy(folder, epochs=5), name="whole", **options).path)
    late = srae.train(toy(folder, "train.validate_every=3", epochs=5), on_epoch=lambda row: True, **options)
    assert len(late.metrics) == 3, "the first validation comes first"


def test_scores_are_those_of_the_command(folder: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"device": "cpu", "say": lambda _: None}
    run = srae.train(toy(folder, epochs=1), runs_dir=tmp_path / "runs", **options)
    assert run.summary is not None
    for model in (run, run.path, "run"):
        scores = srae.evaluate(model, runs_dir=tmp_path / "runs", **options)
        assert scores.metrics == pytest.approx(run.summary["val"], nan_ok=True)
        assert scores.baseline == pytest.approx(run.summary["identity"], nan_ok=True)
    other = srae.evaluate("shipped:x2", folder / "val" / "high_res", scale=2, protocol="y", **options)
    assert len(other.columns["psnr"]) == 3 and other.metrics["psnr"] > 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: srae.train("cnn4_tang"), ("cnn4_tanh?",)),
        (lambda: srae.train({"model": {"name": "residual", "widht": 3}}), ("width?",)),
        (lambda: srae.train({"model": {"name": "residual"}}, {"train.epoch": 3}), ("epochs?",)),
        (lambda: srae.train({"model": {"name": "residual"}, "train": {"momentum": 0.9}}), ("momentum",)),
        (lambda: srae.resume("nothing"), ("nothing",)),
        (lambda: srae.load_run("nothing"), ("nothing",)),
        (lambda: srae.evaluate("nothing", say=print), ("nothing",)),
    ],
)
def test_mistakes_are_told_as_by_the_commands(
    call: Callable[[], object], named: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with refuses(ConfigError, *named) as caught:
        call()
    (shown,) = caught.value._render_traceback_()
    assert shown == f"ConfigError: {caught.value}" and not list(tmp_path.iterdir())


def test_a_resume_changes_only_what_it_may_and_writes_alone(folder: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"device": "cpu", "say": lambda _: None}
    run = srae.train(toy(folder, epochs=1), runs_dir=tmp_path / "runs", **options)
    with refuses(ConfigError, "train.learning_rate"):
        srae.resume(run, {"train.learning_rate": 0.5}, **options)
    with lock_file(run.path / ".lock"), pytest.raises(RunBusyError):
        srae.resume(run, **options)
    assert len(srae.resume(run, {"train.epochs": 2}, **options).metrics) == 2
