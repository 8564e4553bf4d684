"""Compare runs: differences of their configs, their metrics and their cost.

Runs on different data or under different protocols are shown in separate tables.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from srae.cli import positive, print_json, say, show

EXAMPLES = """
  srae compare runs/cnn4_tanh runs/residual
  srae compare cnn4_tanh residual identity -o comparison
  srae compare runs/* --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN|STUDY", nargs="+", help="run or study folders, or their names")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="also write table.csv, .md and .tex and curves into this folder"
    )
    parser.add_argument(
        "--on",
        metavar="LABEL",
        help="compare metrics that `srae eval` stored, by their label, e.g. set14-val-y",
    )
    parser.add_argument("--top", metavar="N", type=positive, help="show the N best experiments only")
    parser.add_argument("--lang", choices=("en", "es"), default="en", help="language of the files of --output")
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(args: argparse.Namespace) -> int:
    from srae.analysis.compare import group_runs
    from srae.analysis.describe import comparison_lines, describe_group, difference_lines
    from srae.analysis.rows import text_table
    from srae.analysis.scores import finite
    from srae.runs.layout import find_runs
    from srae.runs.reader import all_scored_on, baseline_of, read_run

    runs = [read_run(path) for name in args.runs for path in find_runs(name, Path(args.runs_dir))]
    if args.on:
        runs = all_scored_on(runs, args.on, say)
    groups = group_runs(runs)
    if args.output:
        from srae.report.comparison import write_comparison

        write_comparison(groups, Path(args.output), top=args.top, language=args.lang)
        say(f"written to {args.output}")
    if args.json:
        print_json([describe_group(group, top=args.top) for group in groups])
        return 0
    if len(groups) > 1:
        say("these runs differ in data or protocol, so their metrics cannot be compared: one table per group")
    for group in groups:
        show(f"data: {group.data}\nprotocol: {group.protocol}")
        mse, psnr = (finite((group.baseline or {}).get(metric)) for metric in ("mse", "psnr"))
        if mse is not None:
            named = f"{baseline_of(group.runs[0])} on {group.score.split}"
            show(f"{named}: mse {mse:.6f}" + (f", {psnr:.2f} dB" if psnr is not None else ""))
        rows = group.top_rows(args.top)
        show(f"\n{text_table(rows)}\n")
        if len(rows) < len(group.rows):
            show(f"the {len(rows)} best of {len(group.rows)} experiments\n")
        for line in comparison_lines(group, top=args.top):
            show(line)
    if differences := list(difference_lines(groups)):
        show("\n".join(["config differences:", *differences]))
    return 0
