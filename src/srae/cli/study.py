"""Run a grid of configs and seeds; finished runs are skipped, interrupted ones are resumed.

The runs are ordinary run folders under RUNS-DIR/NAME-OF-THE-STUDY.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from srae.cli import positive, print_json, say, show
from srae.errors import ConfigError, PartialError

if TYPE_CHECKING:
    from srae.studies.plan import PlannedRun
    from srae.studies.workers import Launch

EXAMPLES = """
  srae study configs/studies/report_a_rates.yaml --dry-run
  srae study my_study.yaml --jobs 2 --device cpu
  srae study my_study.yaml --status --watch
  srae study my_study.yaml --shard 2/3                                    on the second of three machines
  srae study my_study.yaml --slurm "-p gpu --gres=gpu:1 -c 8 -t 4:00:00"
"""
WATCH = 10.0
"""Seconds between two looks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="YAML|NAME", help="study: a file, or the name of a shipped study")
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the study folder")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=positive,
        help="trainings at a time, GPUs dealt to them in turn (default: one per GPU, one on a CPU; Slurm: no limit)",
    )
    parser.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--processes", metavar="N", type=positive, default=1, help="processes of one training")
    parser.add_argument(
        "--shard", metavar="k/N", help="every N-th run of the plan; /N: k is the index that an array launcher sets"
    )
    parser.add_argument(
        "--slurm", metavar="OPTIONS", help="submit what is left as a Slurm array, with options of sbatch"
    )
    parser.add_argument("--print", action="store_true", help="with --slurm: print the job script, do not submit it")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print the plan and how long it will take")
    what.add_argument("--status", action="store_true", help="print which runs are done, run where, failed why")
    what.add_argument("--command", metavar="RUN", help="print the command that starts or resumes this run, if any")
    parser.add_argument("--watch", action="store_true", help="with --status: again and again, until nothing is left")
    parser.add_argument("--json", action="store_true", help="print the runs and their state as JSON")


def run(args: argparse.Namespace) -> int:
    from srae.config.loading import find_config
    from srae.studies.plan import find_planned, load_study, plan
    from srae.studies.shards import parse_shard
    from srae.studies.workers import Launch

    _check(args)
    file = find_config(args.study)
    folder = args.runs_dir / file.stem
    shard = parse_shard(args.shard) if args.shard else None

    def look() -> list[PlannedRun]:
        planned = plan(load_study(file), file, folder)
        return shard.of(planned) if shard else planned

    planned, launch = look(), Launch(args.device, args.jobs, args.processes)
    if args.command:
        return _show_command(find_planned(planned, args.command, file), args)
    if args.status:
        return _show_status(look, folder, watch=args.watch, json=args.json)
    if args.slurm is not None:
        failed = _submit(planned, file, folder, args)
    elif args.dry_run:
        failed = _show_plan(planned, launch)
    else:
        failed = _run_here(look, file, folder, launch, shared=shard is not None)
    if args.json:
        print_json({"study": str(file), "folder": str(folder), "runs": {p.name: p.state for p in look()}})
    return PartialError.exit_code if failed else 0


def _check(args: argparse.Namespace) -> None:
    """Raises: ConfigError for options that need each other."""
    if args.print and args.slurm is None:
        raise ConfigError("--print shows the job script of --slurm", None, 'for example --slurm "-c 2" --print')
    if args.watch and not args.status:
        raise ConfigError("--watch belongs to --status", None, "add --status")
    if args.shard and args.slurm is not None:
        raise ConfigError("--slurm deals the runs to tasks itself", "--shard", "leave --shard out")


def _run_here(
    look: Callable[[], list[PlannedRun]], file: Path, folder: Path, launch: Launch, *, shared: bool
) -> list[str]:
    """Train what is left; returns the names of the runs that failed."""
    from srae.files import write_text
    from srae.studies.plan import TABLE, load_study, open_study, plan, table_text
    from srae.studies.workers import run_study

    with open_study(file, folder, shared=shared):
        write_text(folder / TABLE, table_text(plan(load_study(file), file, folder)))
        failed = run_study(look(), folder, say, launch)  # planned again under the lock
    say(f"the runs are in {folder}; next: srae compare {folder}, srae report {folder} -o report")
    return failed


def _submit(planned: list[PlannedRun], file: Path, folder: Path, args: argparse.Namespace) -> list[str]:
    """Submit what is left to Slurm, or show what would be; no run fails here."""
    from srae.files import write_text
    from srae.studies.plan import TABLE, open_study, table_text
    from srae.studies.slurm import ArrayJob, find_left

    job = ArrayJob(file, folder, args.slurm, args.device, args.processes, args.jobs)
    left, lines = find_left(planned, folder, ask=not args.print)
    script = job.script(left)
    if args.print and left:
        show(script)
    for line in lines if args.dry_run else []:
        say(line)
    if not left or args.dry_run or args.print:
        say(f"{len(planned)} runs, {len(left)} to submit")
        return []
    with open_study(file, folder):
        write_text(folder / TABLE, table_text(planned))
        number = job.submit(script)
    next_ = shlex.join(["srae", "study", args.study, "--runs-dir", str(args.runs_dir), "--status"])
    say(f"{len(planned)} runs, {len(left)} submitted as Slurm job {number}; next: {next_}")
    return []


def _show_command(run: PlannedRun, args: argparse.Namespace) -> int:
    from srae.studies.workers import command_of

    if run.state != "done":
        show(shlex.join(["srae", *command_of(run, args.device, args.processes)]))
    return 0


def _show_status(look: Callable[[], list[PlannedRun]], folder: Path, *, watch: bool, json: bool) -> int:
    from time import sleep

    from srae.errors import ResourceError
    from srae.studies.slurm import find_queued
    from srae.studies.status import is_over, read_statuses, status_lines

    while True:
        planned, queued = look(), dict[str, str]()
        try:
            if any(run.state != "done" for run in planned):
                queued = find_queued(folder)
        except ResourceError as error:  # the run folders say everything else
            say(f"the queue is not known: {error.what}: {(error.where or '').splitlines()[0]}")
        statuses = read_statuses(planned, queued)
        if watch and sys.stdout.isatty():
            print("\x1b[H\x1b[2J", end="")  # a clear screen
        if json:
            print_json({"folder": str(folder), "runs": [asdict(status) for status in statuses]})
        else:
            show("\n".join([*status_lines(statuses, folder), *([""] if watch else [])]))
        if not watch or is_over(statuses):
            return PartialError.exit_code if any(status.state == "failed" for status in statuses) else 0
        sleep(WATCH)


def _show_plan(planned: Sequence[PlannedRun], launch: Launch) -> list[str]:
    """Print every run with its expected time; returns the names of those that cannot start."""
    from srae.runs.messages import describe_seconds
    from srae.studies.workers import expect

    for run in planned:
        if run.state == "done":
            say(f"done    {run.name}")
    total, failed, told = 0.0, list[str](), set[str]()
    jobs = len(launch.environments())
    for run, expected in expect(planned, launch.device, launch.processes):
        if expected.seconds is None:
            failed.append(run.name)
            again = expected.error in told
            told.add(expected.error)
            say(f"WRONG   {run.name}  " + ("as above" if again else expected.error.replace("\n", "\n        ")))
        else:
            total += expected.seconds
            say(f"{run.state:<7} {run.name}  {describe_seconds(expected.seconds)}")
    at_a_time = f", {jobs} at a time" if jobs > 1 else ""
    cannot = f"; {len(failed)} cannot start" if failed else ""
    say(f"{len(planned)} runs, about {describe_seconds(total / jobs)}{at_a_time}{cannot}")
    return failed
