"""Write plots, tables and one HTML page about runs or a study.

The page is self-contained: it can be mailed, printed and handed in.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from srae.cli import positive, print_json, say, show

EXAMPLES = """
  srae report cnn4_tanh residual -o report
  srae report report_a_rates -o report --title "Learning rates"
  srae report runs/* -o informe --lang es
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN|STUDY", nargs="+", help="run or study folders, or their names")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="new folder of the report")
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    parser.add_argument("--lang", choices=("en", "es"), default="en", help="language of plots, tables and page")
    parser.add_argument(
        "--on",
        metavar="LABEL",
        help="report metrics that `srae eval` stored, by their label, e.g. set14-val-y",
    )
    parser.add_argument("--top", metavar="N", type=positive, help="show the N best experiments only")
    parser.add_argument(
        "--width",
        metavar="LENGTH",
        type=_points,
        default="455pt",
        help="width of a line of the paper for plots and tables, in pt, mm, cm or in",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument("--json", action="store_true", help="print files and findings as JSON")


def _points(text: str) -> float:
    """``345pt``, ``12cm`` in points of TeX."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(pt|mm|cm|in)", text)
    points = float(match[1]) * {"pt": 1, "mm": 72.27 / 25.4, "cm": 72.27 / 2.54, "in": 72.27}[match[2]] if match else 0
    if not 150 <= points <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no width from 150pt to 1000pt, such as 345pt or 16cm")
    return points


def run(args: argparse.Namespace) -> int:
    from srae.report.html import write_report
    from srae.report.parts import PARTS
    from srae.runs.layout import find_runs
    from srae.runs.reader import all_scored_on, read_run
    from srae.studies.plan import read_parts

    runs, parts = [], set[str]()
    for name in args.runs:
        paths = find_runs(name, Path(args.runs_dir))
        runs += [read_run(path) for path in paths]
        is_study = paths[0].name != Path(name).name
        parts |= set((is_study and read_parts(paths[0].parent)) or PARTS)
    if args.on:
        runs = all_scored_on(runs, args.on, say)
    said = write_report(
        runs, args.output, parts=parts, language=args.lang, title=args.title, top=args.top, width=args.width
    )
    page = args.output / "report.html"
    if args.json:
        sections = [
            {
                "data": part.section.group.data,
                "protocol": part.section.group.protocol,
                "runs": [run.name for run in part.section.group.runs],
                "sentences": [{"kind": sentence.kind, "text": sentence.text} for sentence in part.sentences],
            }
            for part in said
        ]
        print_json({"folder": str(args.output), "page": str(page), "sections": sections})
        return 0
    for part in said:
        show("\n".join([part.heading, *(f"  {sentence.text}" for sentence in part.sentences)]))
    say(f"written to {page}, plots in figures/, tables in tables/")
    return 0
