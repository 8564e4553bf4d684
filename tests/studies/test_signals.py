"""A signal to a study alone, as `kill` and batch systems send it, reaches its training, which saves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from conftest import clean_environment
from srae.runs.reader import read_run
from srae.runs.signals import catch_signals

CONFIG = """
model: {{name: residual, width: 8, blocks: 1, shrink: 1}}
data: {{folder: {folder}}}
train: {{epochs: 100000, batch_size: 4}}
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_to_a_study_stops_its_training_cleanly(
    name: str, tmp_path: Path, pair_folder: Callable[..., Path]
) -> None:
    (tmp_path / "toy.yaml").write_text(CONFIG.format(folder=pair_folder(size=(16, 16))))
    (tmp_path / "long.yaml").write_text("configs: [toy.yaml]\nseeds: [0, 1]\n")
    command = [sys.executable, "-m", "srae", "study", "long.yaml", "--device", "cpu"]
    number = getattr(signal, name)
    # A session of its own: nothing else gets the signal.  Under nohup these tests ignore one of them.
    process = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    run = tmp_path / "runs" / "long" / "toy-s0"
    try:
        deadline = time.monotonic() + 120
        while not (run / "metrics.csv").exists() or len((run / "metrics.csv").read_text().splitlines()) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        said = process.communicate(timeout=120)[1]
    finally:
        if process.poll() is None:  # a training of 100,000 epochs must not outlive its test
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert children and not any(child.is_running() for child in children)
    assert read_run(run).status == "stopped"
    assert (run / "checkpoints" / "last.safetensors").exists()
    assert not (tmp_path / "runs" / "long" / "toy-s1").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no hang-up signal")
def test_an_ignored_hang_up_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals() as request:
            signal.raise_signal(signal.SIGHUP)
            assert not request.wanted()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with catch_signals() as request:
            signal.raise_signal(signal.SIGHUP)
            assert request.wanted()
    finally:
        signal.signal(signal.SIGHUP, before)
