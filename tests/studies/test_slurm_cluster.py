"""What a cluster does to a study, done by Slurm itself; every run ends in the bytes of one that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import write_pairs
from conftest import LONG, clean_environment
from slurm_servers import Slurm, run_slurm  # first: it may skip the file
from srae.files import this_place
from srae.runs.claims import Owner
from srae.runs.layout import find_writer
from srae.runs.reader import read_rows, read_run
from srae.studies.plan import load_study, plan
from srae.studies.slurm import find_queued
from srae.studies.status import RunStatus, read_statuses
from toy_training import assert_same_run, toy_text

pytestmark = pytest.mark.timeout(1500)
HANG = 300
OPTIONS = "-p low -c 1 -t 9"
NAMES = ("first", "second", "killed", "wrong", "late", "quick")
EPOCHS = {"first": 250, "second": 250, "killed": 250, "late": 250}
"""Of those that something happens to while they run; the others have a few."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with run_slurm() as slurm, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", slurm.conf)
        yield slurm


class Study:
    """A study in a folder whose name needs quotes, its runs by the stem of their config."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        self.slurm, self.place = slurm, folder / "it's a place"
        data = write_pairs(self.place / "pairs", train=6)
        for name in NAMES:
            text = toy_text(data, epochs=EPOCHS.get(name, 3))
            (self.place / f"{name}.yaml").write_text(text.replace("[3, 4]", "[3, 0]") if name == "wrong" else text)
        self.file, self.folder = self.place / "six runs.yaml", self.place / "runs" / "six runs"
        self.file.write_text(f"configs: [{', '.join(NAMES)}]\n".replace("]", ".yaml]").replace(", ", ".yaml, "))

    def srae(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "srae", "study", self.file.name, *words]
        done = subprocess.run(
            command, cwd=self.place, env=clean_environment(SLURM_CONF=self.slurm.conf), capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def submit(self, *more: str) -> str:
        return self.srae("--device", "cpu", "--slurm", OPTIONS, *more)

    def run(self, name: str) -> Path:
        return self.folder / f"{name}-s0"

    def log(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}-s0.log"
        return path.read_text() if path.exists() else ""

    def statuses(self) -> dict[str, RunStatus]:
        """As `--status` reads them."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.place)
            planned = plan(load_study(self.file), self.file, self.folder)
            return {s.name.removesuffix("-s0"): s for s in read_statuses(planned, find_queued(self.folder))}

    def wait(self, condition: Callable[[], object], *, hurry: bool = True) -> None:
        """Until it holds; Slurm waits two minutes before it starts a requeued task unless it is told to begin."""
        deadline, hurried = time.monotonic() + HANG, time.monotonic()
        while not condition():
            assert time.monotonic() < deadline, (self.srae("--status", code=4), self.slurm.said())
            if hurry and not LONG and time.monotonic() > hurried + 2:
                for task in self.slurm.ask("squeue", "--noheader", "--array", "--states=PD", "--format=%i").split():
                    self.slurm.ask("scontrol", "update", f"JobId={task}", "StartTime=now", check=False)
                hurried = time.monotonic()
            time.sleep(0.1)

    def wait_for_rows(self, name: str) -> Owner:
        """Until it has trained some epochs; the process that trains it."""
        self.wait(lambda: len(read_rows(self.run(name))) >= 3)
        writer = find_writer(self.run(name))
        assert writer is not None and writer.place == this_place(), f"{name} ended too soon"
        return writer

    def is_idle(self) -> bool:
        """For a moment a task that goes back into the queue is not there."""
        for _ in range(3):
            if self.slurm.ask("squeue", "--noheader").strip():
                return False
            time.sleep(1)
        return True


@pytest.fixture(scope="module")
def study(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("study"), slurm)


def test_preempted_late_killed_wrong_and_without_its_controller(study: Study, slurm: Slurm) -> None:
    assert study.submit("--dry-run").count("new ") == len(NAMES)
    study.submit()
    queued = study.statuses()
    assert {queued[name].state for name in ("late", "quick")} == {"queued"}
    study.submit()  # nothing is left to submit
    assert len(list((study.folder / "slurm").glob("*.sh"))) == 1

    for name in ("first", "second"):
        study.wait_for_rows(name)
    assert study.statuses()["first"].host == this_place().rpartition("-")[0]
    slurm.ask("sbatch", "--partition=high", "--ntasks=2", "--output=/dev/null", "--wrap=sleep 1")
    study.wait(lambda: all("exit code 143" in study.log(name) for name in ("first", "second")), hurry=False)

    os.kill(study.wait_for_rows("killed").pid, signal.SIGKILL)
    study.wait(lambda: "exit code 137" in study.log("killed"))
    late = study.wait_for_rows("late")
    os.kill(late.pid, signal.SIGSTOP)  # on no machine it ends before its time
    slurm.restart("slurmctld")
    task = find_queued(study.folder)["late-s0"]
    slurm.ask("scontrol", "update", f"JobId={task}", "TimeLimit=1")  # the least there is; 60 s before it is at once
    study.wait(lambda: "exit code" in study.log("late"), hurry=False)  # Slurm wakes what it sends a signal
    assert study.log("late").splitlines()[-1] == "exit code 143", study.log("late")
    slurm.ask("scontrol", "update", f"JobId={task}", "TimeLimit=9")

    study.wait(study.is_idle)
    found = study.statuses()
    assert {name: s.state for name, s in found.items() if s.state != "done"} == {"killed": "failed", "wrong": "failed"}
    assert found["killed"].code == 137 and found["wrong"].code == 2
    assert any("channels" in line for line in found["wrong"].why)
    text = (study.place / "wrong.yaml").read_text()
    (study.place / "wrong.yaml").write_text(text.replace("[3, 0]", "[3, 4]"))
    assert "resume  killed-s0" in study.submit("--dry-run")
    study.submit()
    assert len(find_queued(study.folder)) <= 2
    study.wait(study.is_idle)
    assert {status.state for status in study.statuses().values()} == {"done"}
    for name in ("first", "second", "killed", "late"):
        assert len(read_run(study.run(name)).summary["resumes"]) >= 1  # type: ignore[index]

    study.srae("--device", "cpu", "--jobs", "2", "--runs-dir", "undisturbed")
    for name in NAMES:
        assert_same_run(study.run(name), study.place / "undisturbed" / "six runs" / f"{name}-s0")
