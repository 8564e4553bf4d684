"""Run a grid of configs and seeds; finished runs are skipped, interrupted ones are resumed.

The runs are ordinary run folders under RUNS-DIR/NAME-OF-THE-STUDY.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from srae.cli import positive, print_json, say
from srae.errors import PartialError

if TYPE_CHECKING:
    from srae.studies.plan import PlannedRun

EXAMPLES = """
  srae study configs/studies/report_a_rates.yaml --dry-run
  srae study report_a_rates
  srae study my_study.yaml --jobs 2 --device cpu
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="YAML|NAME", help="study: a file, or the name of a shipped study")
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the study folder")
    parser.add_argument("--jobs", metavar="N", type=positive, default=1, help="trainings at a time")
    parser.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and how long it will take")
    parser.add_argument("--json", action="store_true", help="print the runs and their state as JSON")


def run(args: argparse.Namespace) -> int:
    from srae.config.loading import find_config
    from srae.files import write_text
    from srae.studies.plan import TABLE, load_study, open_study, plan, table_text
    from srae.studies.workers import run_study

    file = find_config(args.study)
    folder = args.runs_dir / file.stem
    planned = plan(load_study(file), file, folder)
    if args.dry_run:
        failed = _show_plan(planned, args.device, args.jobs)
    else:
        with open_study(file, folder):
            now = plan(load_study(file), file, folder)  # planned again under the lock
            write_text(folder / TABLE, table_text(now))
            failed = run_study(now, folder, say, device=args.device, jobs=args.jobs)
        say(f"the runs are in {folder}; next: srae compare {folder}, srae report {folder} -o report")
    if args.json:
        states = plan(load_study(file), file, folder)
        print_json({"study": str(file), "folder": str(folder), "runs": {p.name: p.state for p in states}})
    return PartialError.exit_code if failed else 0


def _show_plan(planned: list[PlannedRun], device: str, jobs: int) -> list[str]:
    """Print every run with its expected time; returns the names of those that cannot start."""
    from srae.runs.messages import describe_seconds
    from srae.studies.workers import expect

    for run in planned:
        if run.state == "done":
            say(f"done    {run.name}")
    total, failed, told = 0.0, list[str](), set[str]()
    for run, expected in expect(planned, device):
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
