"""A group of runs as a JSON value, and its tests as lines for a terminal.  No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from srae.analysis.compare import Group, pair_with_best, what_mattered
from srae.analysis.stats import NOISE, can_tell


def describe_group(group: Group) -> dict[str, Any]:
    """One group as a JSON value."""
    best, tests = pair_with_best(group)
    about = {"data": group.data, "protocol": group.protocol, "identity": group.baseline, "rows": group.rows()}
    return {
        **about,
        "score": group.score.column,
        "best": best,
        "against_best": tests,
        "testable": can_tell(tests[0]["images"], len(tests)) if tests else None,
        "share_of_variance": what_mattered(group),
    }


def test_lines(group: Group) -> Iterator[str]:
    """Lines with the paired tests against the best run and the shares of variance; none if there are none."""
    score = group.score
    best, rows = pair_with_best(group)
    if rows:
        images = rows[0]["images"]
        yield f"against {best}, on the same {images} images (p: sign-flip permutation, Holm; ties count half):"
        width, testable = max(len(row["run"]) for row in rows), can_tell(images, len(rows))
        for row in rows:
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
