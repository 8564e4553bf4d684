"""Charts of one group of experiments: scores with intervals, scores against cost, shares of variance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from srae.analysis.compare import MANY
from srae.analysis.design import find_factors
from srae.analysis.scores import Score
from srae.report.canvas import (
    BASELINE,
    COLORS,
    FORMATS,
    MARKERS,
    Variant,
    draw_legend,
    fold,
    new_figure,
    plain,
    save_figure,
    show_numbers,
)
from srae.report.numbers import compact, measured, typeset
from srae.report.words import Words, translate

MOST_SCORES = 20


def _halves(row: Mapping[str, Any], score: Score) -> tuple[float, float]:
    """How far the interval of a score reaches below and above it; 0 where there is none."""
    value, low, high = (row[f"{score.column}{end}"] for end in ("", "_low", "_high"))
    return (0.0, 0.0) if low is None or high is None else (max(value - low, 0.0), max(high - value, 0.0))


def draw_scores(
    variants: Sequence[Variant], score: Score, baseline: tuple[str, float] | None, stem: Path, words: Words
) -> bool:
    """Mean score with 95 % intervals, best on top, and the baseline as a line.

    Points, not bars: a bar that starts at the baseline is longest for the worst network.

    Args:
        variants: the `MOST_SCORES` best are drawn.
        baseline: its name and score.

    Returns:
        Whether a plot was drawn.
    """
    known = sorted(_measured(variants, score), key=lambda v: v.row[score.column])[-MOST_SCORES:]
    if not known:
        return False
    figure, axes = new_figure(1.1 + 0.3 * len(known))
    for i, variant in enumerate(known):
        value, (below, above) = variant.row[score.column], _halves(variant.row, score)
        axes.errorbar(value, i, xerr=[[below], [above]], fmt=variant.marker, color=variant.color, capsize=3,
                      linewidth=1.4, markersize=6.5)  # fmt: skip
        text = " ".join(filter(None, measured(score.column, variant.row, words)))
        axes.annotate(
            text,
            (value + above, i),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85},
        )
    if baseline:
        label = _line_label(*baseline, score, words)
        axes.axvline(baseline[1], color=BASELINE, linestyle=":", linewidth=1.4, label=label)
    axes.set_yticks(range(len(known)), [fold(v.name, 34) for v in known], fontsize=9)
    axes.set_ylim(-0.6, len(known) - 0.4)
    axes.set_xlabel(_mean_axis(score, words))
    axes.grid(axis="y", visible=False)
    low, high = axes.get_xlim()
    axes.set_xlim(low - 0.03 * (high - low), high + 0.35 * (high - low))  # space for the numbers
    if score.is_share:
        axes.set_xticks([tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= 1])
    show_numbers(axes.xaxis, words, shares=score.is_share)
    draw_legend(figure, axes)
    save_figure(figure, stem, FORMATS)
    return True


def draw_pareto(
    variants: Sequence[Variant],
    score: Score,
    cost: str,
    *,
    baseline: tuple[str, float] | None,
    stem: Path,
    words: Words,
) -> bool:
    """Score against a cost (a column of the rows) on a logarithmic axis, with the frontier.

    Returns:
        Whether a plot was drawn: it needs at least two points.
    """
    known = [v for v in _measured(variants, score) if (v.row.get(cost) or 0) > 0]
    if len(known) < 2:
        return False
    figure, axes = new_figure(3.2, share=0.5)
    if len(known) > MANY:  # neither colours nor a legend would tell so many apart
        x, y = [v.row[cost] for v in known], [v.row[score.column] for v in known]
        halves = list(zip(*(_halves(v.row, score) for v in known), strict=True))
        axes.errorbar(x, y, yerr=halves, fmt="o", color=COLORS[0], alpha=0.45, capsize=2, linewidth=1, markersize=4)
    for v in known if len(known) <= MANY else ():
        (below, above), point = _halves(v.row, score), (v.row[cost], v.row[score.column])
        axes.errorbar(*point, yerr=[[below], [above]], color=v.color, alpha=0.45, capsize=2, linewidth=1)
        axes.plot(*point, v.marker, color=v.color, markersize=6.5, linestyle="", label=plain(v.name))
    if baseline:
        label = plain(translate(baseline[0], words))
        axes.axhline(baseline[1], color=BASELINE, linestyle=":", linewidth=1.4, label=label)
    front = find_frontier([(v.row[cost], v.row[score.column]) for v in known])
    axes.plot(*zip(*front, strict=True), color="#9a9a9a", linewidth=4, alpha=0.45, zorder=1, drawstyle="steps-post",
              label=words["frontier"])  # fmt: skip
    axes.set(xscale="log", xlabel=words[f"{cost}_axis"], ylabel=_mean_axis(score, words))
    axes.margins(x=0.12, y=0.1)
    low, high = axes.get_xlim()
    if high / low < 10:  # less than a decade would have too few ticks
        low, high = math.sqrt(low * high / 10), math.sqrt(low * high * 10)
        axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 150 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: typeset(compact(value), words)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    show_numbers(axes.yaxis, words, shares=score.is_share)
    axes.xaxis.label.set(fontsize=8.5)
    axes.yaxis.label.set(fontsize=8.5)
    axes.tick_params(labelsize=8)
    draw_legend(figure, axes, fontsize=7.5)
    save_figure(figure, stem, FORMATS)
    return True


def find_frontier(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (cost, quality) points that no point of lower or equal cost exceeds, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def draw_levels(
    variants: Sequence[Variant], score: Score, baseline: tuple[str, float] | None, stem: Path, words: Words
) -> str:
    """Score over the levels of the factor with most levels, one line per combination of the others.

    Returns:
        The factor; empty if nothing was drawn: no full grid, no sweep over at least three numbers, or too many lines.
    """
    grid = _arrange(_measured(variants, score))
    if grid is None:
        return ""
    figure, axes = new_figure()
    places = _scale_axis(axes, grid.levels)
    shades = len({levels[-1] for levels in grid.lines}) if len(grid.others) > 1 else 1
    for number, (levels, points) in enumerate(grid.lines.items()):
        rows = [points[level].row for level in grid.levels]
        label = ", ".join(f"{key.rsplit('.', 1)[-1]} {level}" for key, level in zip(grid.others, levels, strict=True))
        axes.errorbar(
            places, [row[score.column] for row in rows],
            yerr=list(zip(*(_halves(row, score) for row in rows), strict=True)), label=plain(label) or None,
            # the line style shows the last factor
            color=COLORS[number // shades], linestyle=("-", "--", ":", "-.")[number % shades % 4],
            marker=MARKERS[number % len(MARKERS)], capsize=3, linewidth=1.4, markersize=5,
        )  # fmt: skip
    if baseline:
        label = _line_label(*baseline, score, words)
        axes.axhline(baseline[1], color=BASELINE, linestyle=":", linewidth=1.4, label=label)
    axes.set_xticks(places, [fold(_level(level), 24) for level in grid.levels])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=plain(grid.across), ylabel=_mean_axis(score, words))
    axes.margins(x=0.08)
    show_numbers(axes.yaxis, words, shares=score.is_share)
    draw_legend(figure, axes)
    save_figure(figure, stem, FORMATS)
    return grid.across


class _Grid(NamedTuple):
    """A full grid of factors as lines over the levels of one."""

    across: str
    """The factor with most levels."""
    levels: list[Any]
    """Its levels; numbers by their value, others in the order of the runs."""
    others: list[str]
    """The other factors."""
    lines: dict[tuple[str, ...], dict[Any, Variant]]
    """Levels of the other factors -> level of `across` -> variant."""


def _arrange(known: Sequence[Variant]) -> _Grid | None:
    """The grid; None if the variants are no full grid, no sweep over numbers, or need too many lines."""
    factors = find_factors([v.runs[0] for v in known]) if known else {}
    levels = {key: _in_order(found) for key, found in factors.items()}
    if not levels or math.prod(map(len, levels.values())) != len(known):
        return None
    across = max(levels, key=lambda key: len(levels[key]))
    if len(levels) == 1 and not (len(levels[across]) >= 3 and _are_numbers(levels[across])):
        return None
    others = [key for key in levels if key != across]
    lines: dict[tuple[str, ...], dict[Any, Variant]] = {}
    for i, variant in enumerate(known):
        line = tuple(_level(factors[key][i]) for key in others)
        lines.setdefault(line, {})[_hashable(factors[across][i])] = variant
    return _Grid(across, levels[across], others, lines) if len(lines) <= len(COLORS) else None


def _in_order(found: Sequence[Any]) -> list[Any]:
    """The different levels: numbers by their value, others as they come."""
    levels = list(dict.fromkeys(map(_hashable, found)))
    return sorted(levels) if _are_numbers(levels) else levels


def _hashable(level: Any) -> Any:
    return tuple(level) if isinstance(level, list) else level


def _are_numbers(levels: Sequence[Any]) -> bool:
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)


def _scale_axis(axes: Axes, levels: Sequence[Any]) -> Sequence[float]:
    """Where the levels are on the x axis: numbers at their value, logarithmic where each is a multiple of the last."""
    if not _are_numbers(levels):
        return range(len(levels))
    if levels[0] > 0 and len(levels) > 2:
        ratios = [after / before for before, after in pairwise(levels)]
        if min(ratios) >= 1.5 and max(ratios) <= min(ratios) ** 1.5:
            axes.set_xscale("log")
    return levels


def _level(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value).lower()


def draw_shares(shares: Mapping[str, float], stem: Path, words: Words) -> bool:
    """Share of variance per factor and pair of factors, largest on top."""
    if not shares:
        return False
    figure, axes = new_figure(1.0 + 0.36 * len(shares))
    ordered = sorted(shares.items(), key=lambda item: item[1])
    for i, (name, share) in enumerate(ordered):
        axes.barh(i, 100 * share, height=0.6, color=BASELINE if name == "residual" else COLORS[0], alpha=0.85)
        axes.annotate(
            typeset(f"{share:.0%}", words),
            (100 * share, i),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(ordered)), [words["residual"] if n == "residual" else plain(n) for n, _ in ordered])
    axes.set_xlabel(f"{words['share']} (%)")
    axes.set_xlim(0, 108)
    axes.grid(axis="y", visible=False)
    save_figure(figure, stem, FORMATS)
    return True


def _measured(variants: Sequence[Variant], score: Score) -> list[Variant]:
    return [v for v in variants if v.row[score.column] is not None and math.isfinite(v.row[score.column])]


def _mean_axis(score: Score, words: Words) -> str:
    return words[f"{score.metric}_mean_axis"].format(split=words[f"short_{score.split}"])


def _line_label(name: str, value: float, score: Score, words: Words) -> str:
    return f"{plain(translate(name, words))} ({typeset(score.show(value), words)})"
