"""Events for TensorBoard, read back by TensorBoard itself: no point twice, none missing, whatever ended the run."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import srae.training.loop
from builders import write_pairs
from conftest import clean_environment
from refusals import refuses
from srae.config.experiment import Config
from srae.errors import ConfigError
from srae.runs.reader import read_rows
from srae.training.prepare import prepare
from toy_training import CPU, assert_same_run, begin, resume, rows_of, toy

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed here: pip install tensorboard"
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = write_pairs(tmp_path / "pairs", val=3, size=(24, 24))
    return toy(folder, "train.log=[tensorboard]", "train.validate_every=2", epochs=5)


class Killed(BaseException):
    pass


def begin_and_kill(config: Config, runs: Path, where: str, call: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ends at the call of a method of the loop, as `kill -9` would end it there."""
    real, calls = getattr(srae.training.loop.Training, where), iter(range(1, 100))

    def method(*given: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return real(*given)

    monkeypatch.setattr(srae.training.loop.Training, where, method)
    with pytest.raises(Killed):
        begin(config, runs)
    monkeypatch.undo()
    return runs / "toy"


@contextmanager
def tensorboard(folder: Path, *, fast: bool) -> Iterator[str]:
    """The real one on loopback; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port), f"--load_fast={str(fast).lower()}"]
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, env=clean_environment(), stdout=null, stderr=null)
    try:
        yield f"http://127.0.0.1:{port}/data/plugin"
    finally:
        process.terminate()
        process.wait(30)


def ask(address: str, *, until: float = 150) -> Any:
    """What TensorBoard answers as soon as it has read the run."""
    deadline = time.monotonic() + until
    while True:
        with suppress(OSError), urllib.request.urlopen(address, timeout=30) as answer:
            if found := json.load(answer):
                return found
        assert time.monotonic() < deadline, address
        time.sleep(0.5)


@needs_tensorboard
@pytest.mark.parametrize(("where", "call", "fast"), [("_save", 3, True), ("_end_epoch", 4, False)])
def test_a_killed_run_that_goes_on_has_every_point_once(
    where: str, call: int, fast: bool, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begin_and_kill(config, tmp_path / "runs", where, call, monkeypatch)
    resume(config, path)
    assert_same_run(path, begin(config, tmp_path / "others"))
    assert len(list(path.glob("events.out.tfevents.*"))) == 1
    rows = read_rows(path)
    with tensorboard(tmp_path / "runs", fast=fast) as address:
        tags = ask(f"{address}/scalars/tags")["toy"]
        for tag, column in {
            "val/psnr": "val_psnr",
            "train/mse": "train_mse",
            "run/learning_rate": "learning_rate",
        }.items():
            points = ask(f"{address}/scalars/scalars?run=toy&tag={tag}")
            expected = [(row["step"], row[column]) for row in rows if row[column] is not None]
            assert [step for _, step, _ in points] == [step for step, _ in expected]
            assert [value for *_, value in points] == pytest.approx([value for _, value in expected], rel=1e-6)
        assert {"val/baseline_mse", "train/loss", "run/wall_seconds"} <= set(tags)
        assert "run/step" not in tags
        images = ask(f"{address}/images/tags")["toy"]
        assert len(images) == 2
        for name in images:
            steps = [image["step"] for image in ask(f"{address}/images/images?run=toy&tag={name}&sample=0")]
            assert steps == [row["step"] for row in rows if row["val_psnr"] is not None]
        text = ask(f"{address}/text/text?run=toy&tag=config")
        assert len(text) == 1 and "learning_rate" in text[0]["text"]


@needs_tensorboard
def test_a_run_may_begin_to_log_when_it_goes_on(config: Config, tmp_path: Path) -> None:
    from srae.training.tensorboard import LegacyEventFileLoader

    quiet = config.model_copy(update={"train": config.train.model_copy(update={"log": [], "epochs": 2})})
    path = begin(quiet, tmp_path / "runs")
    assert not list(path.glob("events.*"))
    resume(config, path)
    (file,) = path.glob("events.*")
    steps = [
        event.step for event in LegacyEventFileLoader(str(file)).Load() for value in event.summary.value
        if value.tag == "train/loss"
    ]  # fmt: skip
    assert steps == [int(row["step"]) for row in rows_of(path)] and len(steps) == 5


def test_without_tensorboard_the_message_names_the_extra(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with refuses(ConfigError, "train.log", "srae[tensorboard]"):
        prepare(config, CPU)
