"""Check a folder of images, make pairs from a folder of high-resolution images, or write rendered images.

`check` lists every problem with split, file and remedy.  Its exit code is 0 when
a training could start, else 3.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from srae.cli import print_json, say, show
from srae.errors import ConfigError, DataError

if TYPE_CHECKING:
    from srae.data.check import FolderReport
    from srae.data.matching import FileProblem

EXAMPLES = """
  srae data check data/isr855
  srae data make-pairs photos data/photos-x2 --scale 2
  srae data make-pairs photos data/photos --scale 2 --enlarge bilinear --split 0.9,0.1,0
  srae data render data/rendered --count 100
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="check|make-pairs|render", required=True)
    check = actions.add_parser("check", help="list every problem in a folder of pairs")
    check.add_argument(
        "folder", metavar="FOLDER", help="folder, or CSV with the columns low, high and optionally split"
    )
    check.add_argument(
        "--scale", metavar="N", type=int, choices=range(1, 9), help="which of the folders X2, X3, X4 is checked"
    )
    _add_group_by(check)
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    make = actions.add_parser("make-pairs", help="shrink high-resolution images into {train,val,test}/{low,high}_res")
    make.add_argument(
        "high", metavar="HIGH_FOLDER", help="folder of images, with or without train, val and test folders"
    )
    make.add_argument("out", metavar="OUT", help="new folder")
    make.add_argument("--scale", metavar="N", type=int, default=2, choices=range(2, 9), help="2 to 8 (default: 2)")
    make.add_argument(
        "--kernel",
        choices=("bicubic", "bilinear", "area", "lanczos", "nearest", "photo"),
        default="bicubic",
        help="how to shrink (default: bicubic); all except nearest are antialiased; photo adds blur, noise and JPEG",
    )
    make.add_argument(
        "--enlarge",
        choices=("bilinear", "bicubic"),
        help="enlarge low-resolution images back to the high-resolution size",
    )
    make.add_argument(
        "--split", metavar="A,B,C", default="0.8,0.1,0.1", help="shares of train, val, test (default: 0.8,0.1,0.1)"
    )
    _add_group_by(make)
    make.add_argument("--json", action="store_true", help="print the counts as JSON")
    render = actions.add_parser("render", help="write rendered images, which no training has as samples, to score on")
    render.add_argument("out", metavar="OUT", help="new folder")
    render.add_argument("--count", metavar="N", type=int, default=100, help="number of images (default: 100)")
    render.add_argument("--side", metavar="N", type=int, default=256, help="height and width (default: 256)")
    render.add_argument("--seed", metavar="N", type=int, default=0, help="other seed, other images (default: 0)")


def _add_group_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--group-by",
        metavar="folder|PATTERN",
        help="images that stay in one split: of one folder, or of one text that a regular expression finds in the "
        "path, such as '(patient[0-9]+)_'",
    )


def run(args: argparse.Namespace) -> int:
    return {"check": _check, "make-pairs": _make_pairs, "render": _render}[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from dataclasses import asdict
    from pathlib import Path

    from srae.data.check import check_pairs

    checked = check_pairs(Path(args.folder), scale=args.scale, group_by=_pattern(args.group_by))
    if args.json:
        problems, warnings = ([p._asdict() for p in found] for found in (checked.problems, checked.warnings))
        print_json({"folder": args.folder, **asdict(checked), "problems": problems, "warnings": warnings})
    else:
        show("\n".join(_describe(checked)))
    return DataError.exit_code if checked.problems else 0


def _describe(checked: FolderReport) -> list[str]:
    matched = f", matched by {' and by '.join(checked.matched_by)}" if checked.matched_by else ""
    scale = f", scale {checked.scale}" if checked.scale else ""
    lines = [f"layout    {checked.layout}{matched}{scale}"]
    for name, split in checked.splits.items():
        sizes, modes = (_counts(found) for found in (split.sizes, split.modes))
        lines.append(f"{name:<9} {split.pairs} images; sizes {sizes}; colour {modes}")
    if checked.ignored:
        lines.append(f"ignored   {checked.ignored} entries that are no images")
    lines += [f"note      {note}" for note in checked.notes]
    for title, found in (("warning", checked.warnings), ("problem", checked.problems)):
        lines += [_line(title, problem) for problem in found]
    counts = [
        f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
        for word, found in (("problem", checked.problems), ("warning", checked.warnings))
    ]
    lines.append(f"{'NOT usable' if checked.problems else 'usable'}: {', '.join(counts)}")
    return lines


def _counts(found: dict[str, int], shown: int = 3) -> str:
    """The most frequent values, most frequent first."""
    if len(found) == 1:
        return next(iter(found))
    words = [f"{value} ({count})" for value, count in list(found.items())[:shown]]
    return ", ".join(words + ([f"{len(found) - shown} others"] if len(found) > shown else [])) or "none"


def _line(title: str, problem: FileProblem) -> str:
    return f"{title:<9} {problem.split or 'all'}: {problem.file}: {problem.what}; {problem.how_to_mend}"


def _make_pairs(args: argparse.Namespace) -> int:
    from pathlib import Path

    from srae.data.make import make_pairs

    counts = make_pairs(
        Path(args.high),
        Path(args.out),
        scale=args.scale,
        kernel=args.kernel,
        enlarge=args.enlarge,
        shares=_parse_shares(args.split),
        group_by=_pattern(args.group_by),
    )
    if args.json:
        print_json({"folder": args.out, "pairs": counts})
    else:
        show(f"{args.out}: " + ", ".join(f"{count} {split}" for split, count in counts.items()))
    say(f"train on them with: srae-train --config NAME --data {args.out}")
    return 0


def _render(args: argparse.Namespace) -> int:
    from pathlib import Path

    from srae.data.make import make_rendered

    for option, value, low, high in (
        ("--count", args.count, 1, 10_000), ("--side", args.side, 4, 4096), ("--seed", args.seed, 0, 2**32 - 1)
    ):  # fmt: skip
        if not low <= value <= high:
            raise ConfigError(f"{option} is {value}", None, f"give a number between {low} and {high:,}")
    make_rendered(Path(args.out), args.count, side=args.side, seed=args.seed)
    show(f"{args.out}: {args.count} images of {args.side}x{args.side}")
    say(f"score on them with: srae eval --model x2 --data {args.out} --scale 2 --protocol y")
    return 0


def _pattern(group_by: str | None) -> str | None:
    """Raises: ConfigError: no regular expression."""
    from srae.config.section import check_pattern

    try:
        return check_pattern(group_by) if group_by else None
    except ValueError as error:
        raise ConfigError(str(error), "--group-by", "for example '(patient[0-9]+)_'") from None


def _parse_shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--split needs three numbers, not {text!r}", None, "for example --split 0.8,0.1,0.1"
        ) from None
    if not (0 < train < 1 and 0 < val < 1 and 0 <= test < 1 and abs(train + val + test - 1) < 1e-6):
        raise ConfigError(
            f"--split {text}: the shares must be positive (test may be 0) and add up to 1",
            None,
            "for example --split 0.8,0.1,0.1",
        )
    return train, val, test
