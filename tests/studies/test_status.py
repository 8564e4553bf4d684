"""How a study stands: each state from what is on disk, why a run failed, and when all will end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from builders import write_run
from conftest import clean_environment
from one_process import run_all, run_here
from srae.runs.layout import find_writer
from srae.runs.locks import lock_file
from srae.runs.reader import read_rows
from srae.studies.logs import Ending, append_attempt, log_of, read_ending, reason_of
from srae.studies.plan import load_study, plan
from srae.studies.status import RunStatus, clock, is_over, read_statuses, status_lines
from toy_training import toy_text, until

ERROR = ["srae train: no such device", "cuda:7", "choose another"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study of six runs of 3 epochs, of which none has begun."""
    (tmp_path / "base.yaml").write_text("model: {name: residual, width: 8}\ntrain: {epochs: 3}\n")
    (tmp_path / "six.yaml").write_text("configs: [base.yaml]\nseeds: [0, 1, 2, 3, 4, 5]\n")
    (tmp_path / "runs" / "six").mkdir(parents=True)
    return tmp_path / "runs" / "six"


def look(folder: Path, **queued: str) -> list[RunStatus]:
    file = folder.parents[1] / "six.yaml"
    return read_statuses(plan(load_study(file), file, folder), {f"base-{run}": task for run, task in queued.items()})


def begin(folder: Path, seed: int, rows: int, *, done: bool = False) -> Path:
    """A run of two seconds an epoch."""
    config = f"model: {{name: residual, width: 8}}\ntrain: {{epochs: 3}}\nseed: {seed}\n"
    path = write_run(folder / f"base-s{seed}", rows=rows, config=config, summary=done)
    if done:
        (path / "DONE").touch()
    return path


def test_every_state_is_read_from_the_folders(folder: Path) -> None:
    begin(folder, 0, 3, done=True)
    running = begin(folder, 1, 2)
    begin(folder, 2, 1)
    append_attempt(log_of(folder, "base-s3"), "\n".join(["epoch 1", *ERROR]), 5)
    begin(folder, 4, 1)
    append_attempt(log_of(folder, "base-s4"), "\n".join(ERROR), 5)
    append_attempt(log_of(folder, "base-s4"), "srae train: stopped", 143)
    with lock_file(running / ".lock"):
        found = look(folder, s2="17_2", s1="17_1")
        owner = find_writer(running)
    assert [status.state for status in found] == ["done", "running", "queued", "failed", "stopped", "new"]
    assert owner is not None and (found[1].host, found[1].pid) == (owner.host, owner.pid)
    assert found[1].since == pytest.approx(owner.since) and found[1].task == "17_1"
    assert found[2].task == "17_2" and found[3].code == 5
    assert found[3].why == ["no such device", *ERROR[1:]]
    assert [status.seconds_left for status in found[2:]] == [4.0, None, 4.0, 6.0]  # the last one after the others
    assert found[1].seconds_left is not None and found[1].seconds_left <= 2.0
    lines = status_lines(found, folder)
    assert [line.split()[0] for line in lines[:4]] == ["done", "running", "queued", "failed"]
    assert all(line in "\n".join(lines) for line in ERROR[1:]) and not is_over(found)
    assert "1 running" in lines[-1] and "1 at a time" in lines[-1]
    assert is_over(found[:1]) and "1 done" in status_lines(found[:1], folder)[-1]


@pytest.mark.parametrize(
    ("lines", "code", "why"),
    [
        (["epoch 1", *ERROR, "srun: error: toy: task 0: Exited"], 5, ["no such device", *ERROR[1:]]),
        (["srae train: one line"], 2, ["one line"]),
        (["Traceback (most recent call last):", '  File "a"', "ValueError: x"], 1, ['  File "a"', "ValueError: x"]),
        (["epoch 1", "srun: error: toy: task 0: Killed"], 137, ["SIGKILL", "srun: error: toy: task 0: Killed"]),
        ([], 139, ["SIGSEGV"]),
        ([], 255, ["signal 127"]),
        ([], 1, ["exit code 1"]),
        (["bash: line 1: python: No such file"], 127, ["python: No such file"]),
    ],
)
def test_why_a_run_failed(lines: list[str], code: int, why: list[str]) -> None:
    found = reason_of(lines, code)
    assert len(found) <= 3
    assert all(any(part in line for line in found) for part in why)


def test_the_last_attempt_counts(tmp_path: Path) -> None:
    log = log_of(tmp_path, "a-s0")
    assert read_ending(log) is None
    append_attempt(log, "\n".join(ERROR), 5)
    append_attempt(log, "", 3)
    assert read_ending(log) == Ending(3, ["exit code 3"])
    log.write_text(log.read_text() + "epoch 1/3\n")  # goes on, or ended without a word
    assert read_ending(log) is None
    for text, known in (("x" * 100_000 + "\nexit code 1\n", True), ("12345\n", False), ("exit code -\n", False)):
        log.write_text(text)
        assert (read_ending(log) is not None) == known


def test_a_date_is_said_when_it_is_another_day() -> None:
    assert len(clock(1_000_000.0, 1_000_060.0)) == len("14:05")
    assert len(clock(1_000_000.0, 1_200_000.0)) == len("1970-01-12 14:05")


def test_status_needs_no_torch_and_fails_when_a_run_did(folder: Path) -> None:
    (before,) = run_all([["study", "six.yaml", "--status"]], folder.parents[1])
    assert before.code == 0 and not before.has_torch and "6 new" in before.out
    append_attempt(log_of(folder, "base-s3"), "\n".join(ERROR), 5)
    (after,) = run_here([["study", "six.yaml", "--status", "--json"]], folder.parents[1])
    assert after.code == 4 and [run["state"] for run in json.loads(after.out)["runs"]].count("failed") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_a_training_that_was_killed_is_named_and_resumed(tmp_path: Path, pair_folder: Callable[..., Path]) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(pair_folder(), epochs=2000))
    (tmp_path / "one.yaml").write_text("configs: [toy.yaml]\n")
    run, command = tmp_path / "runs" / "one" / "toy-s0", [sys.executable, "-m", "srae", "study", "one.yaml"]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE
    )
    try:
        until(lambda: process.poll() is not None or len(read_rows(run)) > 1)
        writer = find_writer(run)
        assert writer is not None
        psutil.Process(writer.pid).send_signal(signal.SIGKILL)
        said = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 4 and "SIGKILL" in said
    (status,) = run_here([["study", "one.yaml", "--status", "--json"]], tmp_path)
    (found,) = json.loads(status.out)["runs"]
    assert (found["state"], found["code"]) == ("failed", 137) and "SIGKILL" in found["why"][0]
    assert run_here([["study", "one.yaml", "--command", "toy-s0"]], tmp_path)[0].out.startswith("srae train --resume ")
