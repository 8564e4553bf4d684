"""Put runs side by side: what differs in their configs, what they reached, what they cost.

Runs on different data or under different protocols are shown in tables of their own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srae.cli import print_json, say, show

if TYPE_CHECKING:
    from srae.analysis.compare import Group

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
        "--on", metavar="LABEL", help="figures that `srae eval` took of these runs, for example set14-val-y"
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(args: argparse.Namespace) -> int:
    from srae.analysis.compare import differing_keys, group_runs, text_table
    from srae.analysis.scores import finite
    from srae.runs.layout import find_runs
    from srae.runs.reader import all_scored_on, baseline_of, read_run

    runs = [read_run(path) for name in args.runs for path in find_runs(name, Path(args.runs_dir))]
    if args.on:
        runs = all_scored_on(runs, args.on, say)
    groups = group_runs(runs)
    if args.output:
        write_comparison(groups, Path(args.output))
        say(f"written to {args.output}")
    if args.json:
        print_json([describe_group(group) for group in groups])
        return 0
    if len(groups) > 1:
        say("these runs differ in data or protocol: their figures do not belong in one table")
    for group in groups:
        show(f"data: {group.data}\nprotocol: {group.protocol}")
        mse, psnr = (finite((group.baseline or {}).get(metric)) for metric in ("mse", "psnr"))
        if mse is not None:
            show(f"{baseline_of(group.runs[0])}: mse {mse:.6f}" + (f", {psnr:.2f} dB" if psnr is not None else ""))
        show(f"\n{text_table(group.rows())}\n")
        print_tests(group)
    if differences := differing_keys([run for group in groups for run in group.runs]):
        show("config differences:")
        for key, values in differences.items():
            show(f"  {key}: {', '.join(map(str, values))}")
    return 0


def describe_group(group: Group) -> dict[str, Any]:
    """One group as a JSON value."""
    from srae.analysis.compare import pair_with_best, what_mattered

    best, tests = pair_with_best(group)
    about = {"data": group.data, "protocol": group.protocol, "identity": group.baseline, "rows": group.rows()}
    return {
        **about,
        "score": group.score.column,
        "best": best,
        "against_best": tests,
        "share_of_variance": what_mattered(group),
    }


def print_tests(group: Group) -> None:
    """Paired tests against the best run, and what mattered, where there is something to say."""
    from srae.analysis.compare import pair_with_best, what_mattered

    score = group.score
    best, rows = pair_with_best(group)
    if rows:
        images = rows[0]["images"]
        show(f"against {best}, on the same {images} pictures (p: sign-flip permutation, Holm; ties count half):")
        width = max(len(row["run"]) for row in rows)
        for row in rows:
            difference, low, high = (row[score.key(name)] for name in ("difference", "low", "high"))
            size = f"{difference:+.2f} {score.unit} [{low:+.2f}, {high:+.2f}]"
            verdict = "" if row["p"] < 0.05 else "  no difference beyond noise"
            show(f"  {row['run']:<{width}}  {size}  p {row['p']:.2g}  better on {row['win_rate']:.0%}{verdict}")
        show("")
    if shares := what_mattered(group):
        show(f"share of the variance of {score.column}:")
        for name, share in sorted(shares.items(), key=lambda item: -item[1]):
            show(f"  {share:>4.0%}  {name}")
        show("")


def write_comparison(groups: list[Group], folder: Path) -> None:
    """Per group a table as csv, md and tex and the curves over each other; an existing folder is not touched."""
    from srae.files import check_new_folder
    from srae.report.figures import draw_overlay
    from srae.report.tables import comparison_table, write_table

    check_new_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, group in enumerate(groups, 1):
        suffix = "" if len(groups) == 1 else f"-{number}"
        write_table(comparison_table(group), folder / f"table{suffix}")
        draw_overlay(group.runs, folder / f"curves{suffix}")
