"""Say what would fail on this machine before a training fails there.

A line with `fail` names something that srae needs: exit code 5.  A line with
`warn` names something that works with limits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from srae.cli import positive, print_json, show
from srae.errors import ResourceError

EXAMPLES = """
  srae doctor
  srae doctor --runs-dir results/runs --json
  srae doctor --processes 4
  srae doctor --clean-cache
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--processes", metavar="N", type=positive, help="also try whether N can train together")
    parser.add_argument(
        "--clean-cache", action="store_true", help="remove decoded images that no process uses, and nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    if args.clean_cache:
        return _clean_cache(args.json)

    from srae.diagnostics.machine import check_machine
    from srae.images.formats import TABLE

    checks = check_machine(args.runs_dir, args.processes)
    failed = sum(check.level == "fail" for check in checks)
    if args.json:
        formats = [row.describe() for row in TABLE]
        print_json({"ok": not failed, "checks": [check._asdict() for check in checks], "formats": formats})
    else:
        for check in checks:
            show(f"{check.level:<5} {check.name:<12} {check.found}" + (f"; {check.remedy}" if check.remedy else ""))
        show(f"{failed} would fail" if failed else "nothing would fail")
    return ResourceError.exit_code if failed else 0


def _clean_cache(as_json: bool) -> int:
    from srae.data.mapped import clean_cache

    freed, kept = clean_cache()
    if as_json:
        print_json({"freed_bytes": freed, "in_use_bytes": kept})
    else:
        show(f"{freed / 1e9:.1f} GB of decoded images removed, {kept / 1e9:.1f} GB are in use")
    return 0
