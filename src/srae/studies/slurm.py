"""A study as one Slurm job array, a task per run that is not finished.

The script is plain bash, and everything it does is in it.  A task asks the study's plan how its run stands, and lets
`srun` train it.  What Slurm stops by SIGTERM (preemption, time limit) has saved, and goes back into the queue.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srae.errors import ConfigError, ResourceError
from srae.files import write_text
from srae.runs.layout import find_writer
from srae.studies.logs import END, LOGS
from srae.studies.plan import PlannedRun

SLURM = "slurm"
"""Folder in that of a study: JOB.sh, the scripts that were submitted, and JOB.out, what their shells said."""

_SCRIPT = """\
#!/bin/bash
# Runs of a study, an array task each.  Written and submitted by
#   {written_by}
# The same command again submits what is not finished, running or queued by then.
#SBATCH --job-name={job_name}
#SBATCH --array=0-{last}{at_a_time}
#SBATCH --output={output}
#SBATCH --open-mode=append --requeue --signal=TERM@60
{options}
runs=(
{runs}
)
run=${{runs[SLURM_ARRAY_TASK_ID]}}
srae=({python} -m srae)

cd {cwd} || exit 1
exec >>{logs}"/$run.log" 2>&1
trap : TERM # this shell stays until the training has saved

# The plan knows whether to start this run, to resume it, or to do nothing.
command=$("${{srae[@]}}" study {study} --command "$run") || {{ code=$?; echo "{end}$code"; exit $code; }}
[ -n "$command" ] || exit 0
eval "command=($command)" # srae train ...

# The threads of a training are part of its result: the CPUs that were asked for, whatever node it is.
cpus=${{SLURM_CPUS_PER_TASK:-1}}
export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{threads}}}
# By srun: what a script starts by itself gets SIGTERM only at the end of the time that Slurm grants.
srun --ntasks=1 --cpus-per-task="$cpus" "${{srae[@]}}" "${{command[@]:1}}"
code=$?
echo "{end}$code"
# 143: stopped by SIGTERM, and everything saved; back into the queue.
[ $code != 143 ] || scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
exit $code
"""


@dataclass(frozen=True)
class ArrayJob:
    """What a job script is made of."""

    study: Path
    folder: Path
    """The study folder."""
    options: str
    """Of sbatch, as the user gave them."""
    device: str = "auto"
    processes: int = 1
    """Of one training."""
    jobs: int | None = None
    """Tasks that may run at a time; None: as many as Slurm lets."""

    def script(self, runs: list[str]) -> str:
        """The job script for these runs.

        Raises:
            ConfigError: the options contain what the script sets itself.
        """
        _check_options(self.options)
        how = ["--device", self.device] if self.device != "auto" else []
        how += ["--processes", str(self.processes)] if self.processes > 1 else []
        study = [str(self.study), "--runs-dir", str(self.folder.parent), *how]
        jobs = ["--jobs", str(self.jobs)] if self.jobs else []
        written_by = shlex.join(["srae", "study", *study, *jobs, "--slurm", self.options])
        return _SCRIPT.format(
            written_by=written_by.replace("\n", " "),
            job_name=_sbatch_quote(self.folder.name),
            last=len(runs) - 1,
            at_a_time=f"%{self.jobs}" if self.jobs else "",
            output=_sbatch_quote(str(self.folder.absolute() / SLURM).replace("%", "%%") + "/%A.out"),
            options=f"#SBATCH {' '.join(self.options.split())}\n" if self.options.strip() else "",
            runs="\n".join(f"  {run}" for run in runs),
            python=shlex.quote(sys.executable),
            cwd=shlex.quote(str(Path.cwd())),
            logs=shlex.quote(str(self.folder / LOGS)),
            end=END,
            study=shlex.join(study),
            threads="$cpus" if self.processes == 1 else f"$((cpus > {self.processes} ? cpus / {self.processes} : 1))",
        )

    def submit(self, script: str) -> str:
        """Hand a script to Slurm and keep it in the study folder; returns the number of the job.

        Raises:
            ResourceError: there is no `sbatch`, or it refuses.
        """
        for name in (LOGS, SLURM):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        job = _ask(["sbatch", "--parsable"], script).strip().partition(";")[0]
        write_text(self.folder / SLURM / f"{job}.sh", script)
        return job


def find_left(planned: Sequence[PlannedRun], folder: Path, *, ask: bool = True) -> tuple[list[str], list[str]]:
    """Names of the runs that are neither done nor under way nor queued, and a line about every run.

    Args:
        ask: whether Slurm is asked what is queued, if it was used for this study.

    Raises:
        ResourceError: Slurm does not answer.
    """
    queued = find_queued(folder) if ask and any(run.state != "done" for run in planned) else {}
    left, lines = list[str](), list[str]()
    for run in planned:
        writer = find_writer(run.folder) if run.state != "done" else None
        if writer is not None:
            state, where = "running", f"  on {writer.host}, process {writer.pid}"
        elif run.state != "done" and run.name in queued:
            state, where = "queued", f"  Slurm task {queued[run.name]}"
        else:
            state, where = run.state, ""
            left += [run.name] if run.state != "done" else []
        lines.append(f"{state:<7} {run.name}{where}")
    return left, lines


def find_queued(folder: Path) -> dict[str, str]:
    """Runs of a study folder whose task waits or runs -> the task, such as ``4711_3``; Slurm is asked if it was used.

    Raises:
        ResourceError: Slurm does not answer.
    """
    scripts = {path.stem: path for path in (folder / SLURM).glob("*.sh")}
    if not scripts:
        return {}
    queued = {}
    for line in _ask(["squeue", "--me", "--noheader", "--array", "--format=%F %K %j"]).splitlines():
        job, index, name = [*line.split(maxsplit=2), "", "", ""][:3]
        if job in scripts and name == folder.name and index.isdecimal():
            runs = runs_of(scripts[job].read_text(encoding="utf-8"))
            if int(index) < len(runs):
                queued[runs[int(index)]] = f"{job}_{index}"
    return queued


def runs_of(script: str) -> list[str]:
    """The runs of a job script, by the index of their task."""
    return script.partition("\nruns=(\n")[2].partition("\n)\n")[0].split()


def _ask(command: list[str], text: str = "") -> str:
    """What a program of Slurm answers."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        remedy = "call this on a login node of the cluster; `--print` shows the script without Slurm"
        raise ResourceError(f"cannot run {command[0]}: {error.strerror}", "in PATH", remedy) from None
    if done.returncode != 0:
        remedy = "change the options of `--slurm`; `--print` shows the script, and `sinfo` the partitions"
        if command[0] != "sbatch":
            remedy = "try again when the controller of Slurm answers"
        raise ResourceError(f"{command[0]} refuses", done.stderr.strip() or f"exit code {done.returncode}", remedy)
    return done.stdout


_OURS = ("--array", "-a", "--wrap", "--output", "-o", "--error", "-e", "--job-name", "-J", "--chdir", "-D")


def _check_options(options: str) -> None:
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise ConfigError(f"cannot be read: {error}", f"--slurm {options!r}", "close the quotes") from None
    for word in words:
        short = not word.startswith("--")
        if taken := next((n for n in _OURS if word == n or word.startswith(n if short else f"{n}=")), None):
            remedy = "the study sets it; `--jobs` limits the tasks at a time"
            raise ConfigError(f"{taken} cannot be given", f"--slurm {options!r}", remedy)


def _sbatch_quote(text: str) -> str:
    """A value in an #SBATCH line, whose quotes are nearly those of a shell."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
