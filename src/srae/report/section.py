"""The sections of a report: groups of comparable runs with their tests, shares and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srae.analysis.against_best import pair_with_best
from srae.analysis.compare import Group, group_runs
from srae.analysis.design import Design, read_design, what_mattered
from srae.analysis.permutation import NOISE
from srae.analysis.scores import Score, finite
from srae.report.canvas import Variant, style_of
from srae.report.classes import Answers, read_answers
from srae.report.words import Words, translate
from srae.runs.reader import Run, baseline_of


@dataclass(frozen=True)
class ReportSection:
    """Experiments whose metrics can be compared: one data set, one protocol."""

    number: int
    suffix: str
    """Suffix of file names; empty when there is one section."""
    group: Group
    variants: list[Variant]
    best: str
    """The experiment that `tests` compare with."""
    tests: list[dict[str, Any]]
    """Of every other experiment of the group, also of those that are not shown."""
    shares: dict[str, float]
    design: Design
    answers: Answers | None
    """None if the runs are no classifiers."""

    @property
    def score(self) -> Score:
        return self.group.score

    @property
    def summary(self) -> dict[str, Any]:
        """Summary of the first run that has one; data and protocol are equal in all."""
        return next((run.summary for run in self.group.runs if run.summary), {})

    @property
    def baseline(self) -> tuple[str, float] | None:
        """Name and score of the baseline; None where the score is infinite, as on a set with a flat image."""
        value = finite((self.group.baseline or {}).get(self.score.metric))
        run = next((run for run in self.group.runs if run.summary), None)
        return (baseline_of(run), value) if run and value is not None else None

    @property
    def winner(self) -> str | None:
        """The best experiment if the paired tests show that it is better than every other one."""
        known = {v.name for v in self.variants} | {test["run"] for test in self.tests}
        beaten = {test["run"] for test in self.tests if test["p"] < NOISE}
        return self.best if beaten and beaten == known - {self.best} else None

    @property
    def shown_tests(self) -> list[dict[str, Any]]:
        """The tests of the experiments that are shown."""
        names = {variant.name for variant in self.variants}
        return [test for test in self.tests if test["run"] in names]


def make_sections(runs: Sequence[Run], top: int | None = None) -> list[ReportSection]:
    """Sections in order of first appearance; every experiment of the page has its own colour.

    Args:
        top: so many best experiments of each group; p-values are adjusted for the tests of all.
    """
    groups = [part for group in group_runs(runs) for part in _split_unrecorded(group)]
    sections, seen = [], 0
    for number, group in enumerate(groups, 1):
        variants = [
            Variant(row["run"], group.experiments[row["run"]], *style_of(seen + i), row)
            for i, row in enumerate(group.top_rows(top))
        ]
        seen += len(variants)
        suffix = "" if len(groups) == 1 else f"-{number}"
        best, tests = pair_with_best(group)
        shares = what_mattered(group)
        sections.append(
            ReportSection(
                number, suffix, group, variants, best, tests, shares, read_design(group.runs), read_answers(variants)
            )
        )
    return sections


def _split_unrecorded(group: Group) -> list[Group]:
    """Split runs without recorded data by the `data` section of their configs."""
    if any(run.summary for run in group.runs):
        return [group]
    asked: dict[str, list[Run]] = {}
    for run in group.runs:
        asked.setdefault(repr(run.config.get("data")) if run.config else str(run.path), []).append(run)
    return [replace(group, runs=found) for found in asked.values()]


def describe_data(section: ReportSection, words: Words) -> str:
    """``isr855 (2dce39)``."""
    data = section.summary.get("data") or {}
    return f"{data.get('name')} ({data.get('fingerprint')})" if data else words["unknown"]


def describe_protocol(section: ReportSection, words: Words) -> str:
    """The protocol of the score in one line."""
    protocol = section.summary.get("protocol") or {}
    if not protocol:
        return words["unknown"]
    window, bits = protocol.get("ssim"), int(protocol.get("levels", 255)).bit_length()
    return words[f"protocol_{section.score.metric}"].format(
        channels=protocol.get("channels"),
        rounding=words["rounded" if protocol.get("rounded") else "not_rounded"].format(bits=bits),
        border=words["border"].format(border=protocol.get("border")),
        ssim=f"; SSIM {translate(str(window), words)}" if window else "",
    )


def file_in(folder: Path, name: str, section: ReportSection) -> Path:
    """``folder/name`` or ``folder/name-2``, without a suffix."""
    return folder / f"{name}{section.suffix}"
