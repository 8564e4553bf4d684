"""The job script of a study and what is said to Slurm, by programs that stand for Slurm's; see test_slurm_cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import clean_environment
from one_process import Done, run_here
from refusals import refuses
from srae.errors import ConfigError, ResourceError
from srae.studies.slurm import ArrayJob, find_queued, runs_of

BASE = """
model: {{name: residual, width: 4, blocks: 1}}
data: {{folder: {folder}}}
train: {{epochs: 1, batch_size: 2}}
"""
PLACE = 'it\'s a "place" of $HOME & 100 %A'
PROGRAMS = {
    "sbatch": 'cat >"$HERE/submitted"; [ -z "$REFUSED" ] || { echo "sbatch: error: $REFUSED" >&2; exit 1; }; echo 17',
    "squeue": 'cat "$HERE/queue" 2>/dev/null || true',
    "srun": 'echo "$@" >>"$HERE/srun"; [ -z "$CODE" ] || exit $CODE; while [ "${1#--}" != "$1" ]; do shift; done; "$@"',
    "scontrol": 'echo "$@" >>"$HERE/scontrol"',
}

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="job scripts are bash, which is not here")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair_folder: Callable[..., Path]) -> Path:
    """A folder with a study of two runs, and programs called as Slurm's."""
    place = tmp_path / PLACE
    place.mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/bash\n{text}\n")
        program.chmod(0o755)
    (place / "base.yaml").write_text(BASE.format(folder=json.dumps(str(pair_folder()))))
    (place / "my study.yaml").write_text("configs: [base.yaml]\ngrid: {model.width: [4, 6]}\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HERE", str(tmp_path))
    return place


def study(place: Path, *words: str) -> Done:
    (done,) = run_here([["study", "my study.yaml", "--device", "cpu", *words]], place)
    return done


def run_task(place: Path, index: int, **environment: str) -> int:
    """The submitted script as Slurm runs it, from somewhere else."""
    names = {name: os.environ[name] for name in ("HERE", "PATH")}
    task = {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": str(index), "SLURM_CPUS_PER_TASK": "1"}
    script = place.parent / "submitted"
    return subprocess.run(["bash", script], cwd="/", env=clean_environment(**names, **task, **environment)).returncode


def told(place: Path, name: str) -> list[str]:
    file = place.parent / name
    return file.read_text().splitlines() if file.exists() else []


def test_a_task_starts_requeues_resumes_and_leaves_alone_what_is_done(place: Path) -> None:
    done = study(place, "--slurm", "-p gpu -c 1", "--jobs", "3")
    assert done.code == 0 and "17" in done.err
    script, folder = (place.parent / "submitted").read_text(), place / "runs" / "my study"
    assert (folder / "slurm" / "17.sh").read_text() == script
    assert runs_of(script) == ["width_4-s0", "width_6-s0"]
    assert {"#SBATCH --array=0-1%3", "#SBATCH -p gpu -c 1"} <= set(script.splitlines())
    assert json.dumps(str(folder / "slurm").replace("%", "%%") + "/%A.out") in script

    assert run_task(place, 1, CODE="143") == 143
    assert told(place, "scontrol") == ["requeue 17_1"] and not (folder / "width_6-s0").exists()
    assert run_task(place, 1, CODE="137") == 137
    assert len(told(place, "scontrol")) == 1  # killed: not by Slurm's leave
    status = json.loads(study(place, "--status", "--json").out)["runs"]
    assert [(run["state"], run["code"]) for run in status] == [("new", None), ("failed", 137)]

    assert run_task(place, 1) == 0
    assert "train --config" in told(place, "srun")[-1] and (folder / "width_6-s0" / "DONE").exists()
    (folder / "width_6-s0" / "DONE").unlink()
    assert run_task(place, 1) == 0 and "train --resume" in told(place, "srun")[-1]
    calls = told(place, "srun")
    assert run_task(place, 1) == 0 and told(place, "srun") == calls

    (place / "my study.yaml").write_text("configs: [base.yaml]\ngrid: {model.width: [5, 6]}\n")
    assert run_task(place, 0) == 2 and told(place, "srun") == calls  # the study was changed since
    assert "exit code 2" in (folder / "logs" / "width_4-s0.log").read_text()


def test_only_what_is_left_is_submitted(place: Path) -> None:
    assert "2" in study(place, "--slurm", "").err
    (place.parent / "queue").write_text("17 1 my study\n17 0 another\n18 0 my study\n")
    assert find_queued(place / "runs" / "my study") == {"width_6-s0": "17_1"}
    assert study(place, "--slurm", "", "--dry-run").err.split("\n")[:2] == [
        "new     width_4-s0",
        "queued  width_6-s0  Slurm task 17_1",
    ]
    study(place, "--slurm", "")
    assert runs_of((place.parent / "submitted").read_text()) == ["width_4-s0"]
    (place.parent / "queue").write_text("17 0 my study\n17 1 my study\n")
    (place.parent / "submitted").unlink()
    (place / "runs" / "my study" / "slurm" / "17.sh").write_text("runs=(\n")  # of another kind: nothing is known
    study(place, "--slurm", "")
    assert runs_of((place.parent / "submitted").read_text()) == ["width_4-s0", "width_6-s0"]


def test_nothing_left_is_no_job(place: Path) -> None:
    study(place)
    for more in ([], ["--print"], ["--dry-run"]):
        done = study(place, "--slurm", "", *more)
        assert (done.code, done.out) == (0, "") and "0 to submit" in done.err
    assert not (place.parent / "submitted").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_printed_is_what_is_submitted(place: Path, processes: int) -> None:
    words = ["--slurm", '-c 4 --comment="a b"', "--processes", str(processes)]
    printed = study(place, *words, "--print").out
    assert not (place / "runs").exists()
    study(place, *words)
    assert (place.parent / "submitted").read_text() == printed.removesuffix("\n")
    assert subprocess.run(["bash", "-n"], input=printed, text=True).returncode == 0
    assert ("--processes 2" in printed) == (processes == 2)
    command = study(place, "--command", "width_4-s0", "--processes", str(processes)).out
    assert command.startswith("srae train --config ") and ("--processes 2" in command) == (processes == 2)


def test_slurm_that_refuses_or_is_not_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSED", "invalid partition specified: gpuu")
    done = study(place, "--slurm", "-p gpuu")
    assert done.code == ResourceError.exit_code and "invalid partition specified: gpuu" in done.err
    assert not list((place / "runs").rglob("*.sh"))
    monkeypatch.setenv("PATH", "/nowhere")
    done = study(place, "--slurm", "-p gpu")
    assert done.code == ResourceError.exit_code and "sbatch" in done.err
    assert study(place, "--slurm", "-p gpu", "--print").code == 0
    (place / "runs" / "my study" / "slurm" / "17.sh").touch()
    done = study(place, "--status")
    assert done.code == 0 and "squeue" in done.err and "2 new" in done.out


@pytest.mark.parametrize(
    "options", ["-a 0-3", "-a0-3", "--array=0-3", "--array 1", "-o x", "--output=x", "-J x", "--wrap=true", "-p 'gpu"]
)
def test_options_that_the_script_sets_itself_are_refused(options: str) -> None:
    with refuses(ConfigError, options):
        ArrayJob(Path("a.yaml"), Path("runs/a"), options).script(["x-s0"])


@pytest.mark.parametrize("options", ["", "-p gpu --gres=gpu:1 -c 8 -t 4:00:00", "-A a-o", "--exclude=a", "-c 2\n-t 1"])
def test_other_options_are_handed_on(options: str) -> None:
    script = ArrayJob(Path("a.yaml"), Path("runs/a"), options).script(["x-s0"])
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH ")]
    assert lines[4:] == ([f"#SBATCH {' '.join(options.split())}"] if options else [])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--print"], "--slurm"),
        (["--watch"], "--status"),
        (["--slurm", "", "--shard", "1/2"], "--shard"),
        (["--command", "width_7-s0"], "width_7-s0"),
        (["--shard", "3/2"], "3/2"),
    ],
)
def test_words_that_do_not_go_together(place: Path, words: list[str], named: str) -> None:
    done = study(place, *words)
    assert done.code == ConfigError.exit_code and named in done.err
    assert not (place / "runs").exists()
