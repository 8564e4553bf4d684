"""A group of runs as a JSON value, and its findings as lines for a terminal.  No torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from srae.analysis.against_best import pair_with_best
from srae.analysis.compare import MANY, Group
from srae.analysis.design import differing_keys, read_design, what_mattered
from srae.analysis.findings import Gain, compare_orders, count_units, few_steps, gains_of
from srae.analysis.permutation import NOISE, describe_p, seeds_needed
from srae.runs.ending import read_early_end
from srae.runs.messages import (
    answer_sentences,
    commonest_sentence,
    early_sentence,
    few_sentence,
    list_names,
    output_sentences,
)
from srae.runs.reader import Run, baseline_of


def describe_group(group: Group, *, top: int | None = None) -> dict[str, Any]:
    """One group as a JSON value; of the `top` best experiments, where a number is given."""
    best, tests = pair_with_best(group)
    rows = group.top_rows(top)
    shown = {row["run"] for row in rows}
    about = {"data": group.data, "protocol": group.protocol, "identity": group.baseline, "rows": rows}
    design, orders = read_design(group.runs), compare_orders(group.rows, group.score)
    return {
        **about,
        "score": group.score.column,
        "split": group.score.split,
        "why_split": why_split(group),
        "left_out": {split: sorted(names) for split, names in group.measurements.left_out.items()},
        "best": best,
        "against_best": [test for test in tests if test["run"] in shown],
        "testable": any(test["testable"] for test in tests) if tests else None,
        "gains": [asdict(gain) for gain in gains_of(group, rows)],
        "orders": asdict(orders) if orders else None,
        "share_of_variance": what_mattered(group),
        "changed_together": design.together,
        "missing": design.missing,
    }


def why_split(group: Group) -> str:
    """Why the tests and gains are on their split."""
    missing = group.without_test
    if not missing:
        return "every run has a test split, and no epoch was chosen on it"
    if len(missing) == len(group.runs):
        return "no run was scored on a test split"
    return f"not scored on a test split: {list_names([run.name for run in missing])}"


def difference_lines(groups: Sequence[Group]) -> Iterator[str]:
    """The keys in which configs differ, each value with its experiments; of many values the values alone."""
    named = [(name, run) for group in groups for name, runs in group.experiments.items() for run in runs]
    for key, values in differing_keys([run for _, run in named]).items():
        pairs = list(zip(values, (name for name, _ in named), strict=True))
        if all(isinstance(value, int | float) for value in values):
            pairs.sort(key=lambda pair: pair[0])
        having: dict[str, dict[str, None]] = {}
        for value, name in pairs:
            having.setdefault(str(value), {})[name] = None
        if key == "seed" or len(having) > MANY:  # the seeds of an experiment are its runs
            yield f"  {key}: {list_names(list(having), shown=3 * MANY)}"
        else:
            each = [f"{value} ({list_names(list(names), shown=3)})" for value, names in having.items()]
            yield f"  {key}: {'; '.join(each)}"


def comparison_lines(group: Group, *, top: int | None = None) -> Iterator[str]:
    """Lines with all that the numbers of a group show beside its table.

    Args:
        top: tests of so many best experiments are shown; p-values are adjusted for the tests of all.
    """
    if group.baseline is None and group.measurements.baselines:
        yield f"no gain on {group.score.split}: an older srae trained these runs, and did not score the baseline there"
    for split, names in group.measurements.left_out.items():
        images = f"{len(names)} {split} image{'s' if len(names) > 1 else ''}"
        yield f"left out of every PSNR, without any error in some row: {images}, {list_names(sorted(names))}"
    rows = group.top_rows(top)
    shown = [row["run"] for row in rows]
    yield from _about_trainings(group, shown)
    yield from _about_gains(group, gains_of(group, rows))
    yield from _about_tests(group, shown)
    if orders := compare_orders(group.rows, group.score):
        best = f"best on val is {orders.best_on_val}, best on test {orders.best_on_test}"
        pairs = f"{orders.swapped} of {orders.pairs} pair{'s' if orders.pairs > 1 else ''}"
        yield f"val and test order these experiments differently ({pairs}): {best}"
    yield from _about_design(group)


def _about_trainings(group: Group, shown: Sequence[str]) -> Iterator[str]:
    """Dead outputs, single answers, early ends, too few steps; run by run where seeds differ."""
    if steps := few_steps(group.runs):
        yield few_sentence(steps)
    lines = []
    for name in shown:
        runs = group.experiments[name]
        found = [_faults_of(run, group) for run in runs]
        for fault, count in Counter(fault for faults in found for fault in faults).items():
            seeds = "" if count == len(runs) else f" ({count} of {len(runs)} seeds)"
            lines.append(f"{name}{seeds}: {fault}")
    yield from lines[: 2 * MANY]
    if len(lines) > 2 * MANY:
        yield f"and {len(lines) - 2 * MANY} more such lines; --top N shows fewer experiments"
    if answers := next((a for a in group.measurements.answers.values() if a), None):
        yield commonest_sentence(answers)


def _faults_of(run: Run, group: Group) -> list[str]:
    summary = run.summary or {}
    answers, early = group.measurements.answers.get(run.path, {}), read_early_end(summary)
    faults = [*output_sentences(summary.get("output")), *answer_sentences(answers)]
    return [*faults, early_sentence(early)] if early else faults


def _about_gains(group: Group, gains: Sequence[Gain]) -> Iterator[str]:
    if not gains:
        return
    baseline, split, count = baseline_of(group.runs[0]), group.score.split, count_units(group)
    over = "over groups of images" if split in group.measurements.groups else "image by image"
    yield f"against {baseline} on {split}, {over} (p: sign-flip permutation):"
    if len(gains) > MANY:
        found = Counter[str](gain.verdict for gain in gains)
        named = {"better": "better", "worse": "WORSE", "noise": "not told apart", "untested": "not tested"}
        yield "  " + ", ".join(f"{found[verdict]} {text}" for verdict, text in named.items() if found[verdict])
        return
    width, size = max(len(gain.run) for gain in gains), max(len(gain.text) for gain in gains)
    verdicts = {"better": "", "worse": "  WORSE", "noise": "  no difference beyond noise", "untested": ""}
    for gain in gains:
        p = "" if gain.p is None else f"  p {describe_p(gain.p)}"
        yield f"  {gain.run:<{width}}  {gain.text:<{size}}{p}{verdicts[gain.verdict]}"
    if all(gain.verdict == "untested" for gain in gains):
        yield f"  {_units(count, group)} too few: no such test of them can reach p < {NOISE}"


def _size(mean: float, low: float | None, high: float | None, unit: str) -> str:
    interval = "" if low is None or high is None else f" [{low:+.2f}, {high:+.2f}]"
    return f"{mean:+.2f} {unit}{interval}"


def _units(count: int, group: Group) -> str:
    """``5 images are``, ``1 group of images is``."""
    unit = "group" if group.score.split in group.measurements.groups else "image"
    of = " of images" if unit == "group" else ""
    return f"{count} {unit}{'' if count == 1 else 's'}{of} {'is' if count == 1 else 'are'}"


_OVER = {
    "seeds": "over seeds (p: permutation of seeds, Holm)",
    "groups": "over groups of images (p: sign-flip permutation, Holm)",
    "images": "image by image (p: sign-flip permutation, Holm)",
}


def _about_tests(group: Group, shown: Sequence[str]) -> Iterator[str]:
    score = group.score
    best, tests = pair_with_best(group, ranks=False)
    if not tests:
        return
    yield f"tests on {score.split}: {why_split(group)}"
    width = max(len(test["run"]) for test in tests)
    for over, text in _OVER.items():
        of_kind = [test for test in tests if test["over"] == over]
        if not of_kind:
            continue
        yield f"against {best} on the same {of_kind[0]['images']} {score.split} images, {text}; ties count half:"
        for test in (test for test in of_kind if test["run"] in shown):
            yield f"  {test['run']:<{width}}  {_test_text(test, score.key, score.unit)}"
        if not any(test["testable"] for test in of_kind):
            yield f"  {_too_few(of_kind[0], len(tests), group)}"


def _test_text(test: Mapping[str, Any], key: Any, unit: str) -> str:
    difference, low, high = (test[key(name)] for name in ("difference", "low", "high"))
    if test["over"] == "seeds" and min(test["seeds"]) == 2:
        low = high = None  # Student's t over two seeds has intervals of any width
    verdict = "  no difference beyond noise" if test["testable"] and test["p"] >= NOISE else ""
    seeds = f"  {test['seeds'][0]} and {test['seeds'][1]} seeds" if test["over"] == "seeds" else ""
    win = f"better on {test['win_rate']:.0%} of images"
    return f"{_size(difference, low, high, unit)}{seeds}  p {describe_p(test['p'])}  {win}{verdict}"


def _too_few(test: Mapping[str, Any], tests: int, group: Group) -> str:
    """Why no test of a kind can reach the level, and what would."""
    if test["over"] != "seeds":
        return f"{_units(count_units(group), group)} too few: no such test of {tests + 1} runs can reach p < {NOISE}"
    seeds = f"{min(test['seeds'])} seeds are too few: no test over them can reach p < {NOISE}"
    return f"{seeds} for {tests + 1} experiments; train {seeds_needed(tests)} seeds of each"


def _about_design(group: Group) -> Iterator[str]:
    design, shares = read_design(group.runs), what_mattered(group)
    if shares:
        yield f"\nshare of the variance of {group.score.column}:"
        for name, share in sorted(shares.items(), key=lambda item: -item[1]):
            yield f"  {share:>5.0%}  {name}"
    for keys in design.together:
        yield f"change together, so that their effects cannot be told apart: {list_names(keys)}"
    if design.missing:
        cells = [" with ".join(f"{key} {value}" for key, value in cell.items()) for cell in design.missing]
        more = f"; and {len(cells) - 3} more" if len(cells) > 3 else ""
        yield f"combinations that were not run: {'; '.join(cells[:3])}{more}"
        yield f"a study that tells them apart has {grid_text(design.grid)}"


def grid_text(grid: Mapping[str, Sequence[Any]]) -> str:
    """The line of a study's YAML: ``grid: {model.kernel: [3, 5]}``."""
    return "grid: {" + ", ".join(f"{key}: {json.dumps(list(values))}" for key, values in grid.items()) + "}"
