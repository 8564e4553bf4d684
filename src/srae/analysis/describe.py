"""A group of runs as a JSON value, and its tests as lines for a terminal.  No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from srae.analysis.compare import MANY, Group, pair_with_best, what_mattered
from srae.analysis.stats import NOISE, can_tell
from srae.runs.messages import list_names


def describe_group(group: Group, *, top: int | None = None) -> dict[str, Any]:
    """One group as a JSON value; of the `top` best experiments, where a number is given."""
    best, tests = pair_with_best(group)
    rows = group.top_rows(top)
    shown = {row["run"] for row in rows}
    about = {"data": group.data, "protocol": group.protocol, "identity": group.baseline, "rows": rows}
    return {
        **about,
        "score": group.score.column,
        "split": group.score.split,
        "why_split": why_split(group),
        "left_out": {split: sorted(names) for split, names in group.measurements.left_out.items()},
        "best": best,
        "against_best": [test for test in tests if test["run"] in shown],
        "testable": can_tell(tests[0]["images"], len(tests)) if tests else None,
        "share_of_variance": what_mattered(group),
    }


def why_split(group: Group) -> str:
    """Why the tests and gains are on their split."""
    missing = group.without_test
    if not missing:
        return "every run has a test split, and no epoch was chosen on it"
    if len(missing) == len(group.runs):
        return "no run was scored on a test split"
    return f"not scored on a test split: {list_names([run.name for run in missing])}"


def list_values(values: Sequence[Any]) -> str:
    """The value of each run; of many runs every value once, numbers in order."""
    if len(values) <= MANY:
        return ", ".join(map(str, values))
    levels = list({repr(value): value for value in values}.values())
    if all(isinstance(value, int | float) for value in levels):
        levels.sort()
    return list_names([str(level) for level in levels], shown=3 * MANY)


def comparison_lines(group: Group, *, top: int | None = None) -> Iterator[str]:
    """Lines with the paired tests against the best run and the shares of variance; none if there are none.

    Args:
        top: tests of so many best experiments are shown; p-values are adjusted for the tests of all.
    """
    score = group.score
    if group.baseline is None and group.measurements.baselines:
        yield f"no gain on {score.split}: an older srae trained these runs, and did not score the baseline there"
    for split, names in group.measurements.left_out.items():
        images = f"{len(names)} {split} image{'s' if len(names) > 1 else ''}"
        yield f"left out of every PSNR, without any error in some row: {images}, {list_names(sorted(names))}"
    best, rows = pair_with_best(group, ranks=False)
    if rows:
        images = rows[0]["images"]
        where = f"on the same {images} {score.split} images"
        yield f"tests on {score.split}: {why_split(group)}"
        yield f"against {best}, {where} (p: sign-flip permutation, Holm; ties count half):"
        shown = {row["run"] for row in group.top_rows(top)}
        width, testable = max(len(row["run"]) for row in rows), can_tell(images, len(rows))
        for row in (row for row in rows if row["run"] in shown):
            difference, low, high = (row[score.key(name)] for name in ("difference", "low", "high"))
            size = f"{difference:+.2f} {score.unit} [{low:+.2f}, {high:+.2f}]"
            verdict = "  no difference beyond noise" if testable and row["p"] >= NOISE else ""
            yield f"  {row['run']:<{width}}  {size}  p {row['p']:.2g}  better on {row['win_rate']:.0%}{verdict}"
        if not testable:
            yield f"  {images} images are too few: no such test of {len(rows) + 1} runs on them can reach p < {NOISE}"
        yield ""
    if shares := what_mattered(group):
        yield f"share of the variance of {score.column}:"
        for name, share in sorted(shares.items(), key=lambda item: -item[1]):
            yield f"  {share:>4.0%}  {name}"
        yield ""
