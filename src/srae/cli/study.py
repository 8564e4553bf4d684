"""Run a grid of configs and seeds; finished runs are skipped, interrupted ones are resumed.

The runs are ordinary run folders under RUNS-DIR/NAME-OF-THE-STUDY.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from srae.cli import positive, print_json, say
from srae.errors import PartialError

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
    from srae.runs.messages import describe_seconds
    from srae.studies.plan import load_study, open_study, plan
    from srae.studies.workers import expected_seconds, run_study

    file = find_config(args.study)
    folder = args.runs_dir / file.stem
    planned = plan(load_study(file), file, folder)
    if args.dry_run:
        total, unknown = 0.0, 0
        times = {planned_run.name: seconds for planned_run, seconds in expected_seconds(planned, args.device)}
        for planned_run in planned:
            seconds = times.get(planned_run.name)
            expected = describe_seconds(seconds) if seconds is not None else ""
            total, unknown = total + (seconds or 0), unknown + (planned_run.state != "done" and seconds is None)
            say(f"{planned_run.state:<7} {planned_run.name}  {expected}".rstrip())
        say(f"{len(planned)} runs, about {describe_seconds(total)} of training" + (", some unknown" if unknown else ""))
        failed = []
    else:
        with open_study(file, folder):
            now = plan(load_study(file), file, folder)  # planned again under the lock
            failed = run_study(now, folder, say, device=args.device, jobs=args.jobs)
        say(f"the runs are in {folder}; next: srae compare {folder}, srae report {folder} -o report")
    if args.json:
        states = plan(load_study(file), file, folder)
        print_json({"study": str(file), "folder": str(folder), "runs": {p.name: p.state for p in states}})
    return PartialError.exit_code if failed else 0
