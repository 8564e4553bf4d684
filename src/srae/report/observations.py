"""Findings about trainings as sentences: outputs and answers, steps and early ends, overfitting, cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from srae.analysis.findings import few_steps
from srae.report.canvas import Variant, has_own_metrics, read_png
from srae.report.section import ReportSection
from srae.report.words import Words, in_language
from srae.runs.answers import Answers
from srae.runs.ending import Fit, judge_fit, read_early_end
from srae.runs.messages import find_output_faults
from srae.runs.reader import Run

NAMED = 5  # classes in a sentence
MANY = 6  # experiments that a sentence describes
UNEVEN = 1.5  # times the share that the commonest class would have if all were equal


@dataclass(frozen=True)
class Sentence:
    kind: Literal["good", "bad", "note"]
    text: str


def about_trainings(section: ReportSection, words: Words) -> Iterator[Sentence]:
    """What the trainings themselves show, the worst first."""
    steps = few_steps(section.group.runs)
    if steps is not None:
        yield Sentence("bad", words["few_steps"].format(steps=steps))
    yield from _about_outputs(section, words)
    yield from _about_answers(section, words)
    yield from _about_commonest(section, words)
    yield from _about_fit(section, words, judged=steps is None)
    yield from _about_early_ends(section, words)
    yield from _about_cost(section, words)


def trained_variants(section: ReportSection) -> list[Variant]:
    """Variants with a score that have parameters, so are no baseline."""
    return [v for v in section.variants if is_number(v.row[section.score.column]) and v.row["parameters"] != 0]


def list_some(names: Sequence[str], words: Words, shown: int = MANY) -> str:
    """``a, b and 7 more``."""
    more = words["and_more"].format(count=len(names) - shown) if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def is_number(value: Any) -> bool:
    """Whether a cell of a row has a finite value."""
    return isinstance(value, int | float) and math.isfinite(value)


def _about_outputs(section: ReportSection, words: Words) -> Iterator[Sentence]:
    found: dict[str, list[str]] = {"dead": [], "dark": [], "light": []}
    for variant in trained_variants(section):
        faults = [dict(find_output_faults(_output_of(run))) for run in variant.runs]
        for fault, texts in found.items():
            values = {run.name: each[fault] for run, each in zip(variant.runs, faults, strict=True) if fault in each}
            if len(values) == len(variant.runs):  # every seed has this fault
                values = {variant.name: sum(values.values()) / len(values)}
            for name, value in values.items():
                texts.append(name if fault == "dead" else f"{name} {in_language(f'{value:.2f}', words)}")
    for fault, texts in found.items():
        if texts:
            yield Sentence("bad", words[fault].format(runs=", ".join(texts)))


def _output_of(run: Run) -> dict[str, float] | None:
    """`output` of the summary; older runs lack it, so it is computed from their sample images."""
    if not has_own_metrics(run):
        return None
    recorded = (run.summary or {}).get("output")
    if isinstance(recorded, dict):
        return recorded
    folder = run.path / "samples"
    try:
        outputs = [read_png(path) for path in sorted(folder.glob("*_output.png"))]
        targets = [read_png(path) for path in sorted(folder.glob("*_high.png"))]
    except (OSError, SyntaxError, ValueError):
        return None
    alike = [abs(output - outputs[0]).max() for output in outputs[1:] if output.shape == outputs[0].shape]
    if not alike or not targets:
        return None
    return {
        "min": float(min(output.min() for output in outputs)),
        "max": float(max(output.max() for output in outputs)),
        "target_min": float(min(target.min() for target in targets)),
        "target_max": float(max(target.max() for target in targets)),
        "spread": float(max(alike)),
    }


def _about_answers(section: ReportSection, words: Words) -> Iterator[Sentence]:
    """Classifiers that guess or always give one answer, and classes that they never answer."""
    answers = section.answers
    if answers is None:
        return
    all_classes, column = len(answers.classes), section.score.column
    for row in (v.row for v in trained_variants(section)):
        if (row[column] if row[f"{column}_low"] is None else row[f"{column}_low"]) <= 1 / all_classes:
            score = in_language(section.score.show(row[column]), words)
            facts = {"run": row["run"], "all": str(all_classes), "score": score}
            facts["split"] = words[f"short_{section.score.split}"]
            yield Sentence("bad", words["guesses"].format(**facts))
    for name, counts in answers.counts.items():
        given, silent = counts.sum(0), answers.never_given(name)
        if all_classes > 1 and (given > 0).sum() == 1:
            facts = {"run": name, "answer": answers.classes[int(given.argmax())]}
            yield Sentence("bad", words["one_answer"].format(**facts))
        elif silent:
            names = ", ".join(silent[:NAMED]) + (", …" if len(silent) > NAMED else "")
            facts = {"run": name, "names": names, "count": str(len(silent)), "all": str(all_classes)}
            yield Sentence("bad", words["never_answered"].format(**facts))


def _about_commonest(section: ReportSection, words: Words) -> Iterator[Sentence]:
    """What a constant answer reaches, where one class is so common that accuracy alone misleads."""
    split, score = section.score.split, section.score
    known: list[Answers] = [a[split] for a in section.group.measurements.answers.values() if split in a]
    if not known or section.answers is None or known[0].commonest_share * len(section.answers.classes) < UNEVEN:
        return
    column = f"{split}_balanced_accuracy"
    rows = [v.row for v in trained_variants(section) if is_number(v.row[column])]
    texts = [f"{row['run']} {in_language(score.show(row[column]), words)}" for row in rows]
    share = in_language(score.show(known[0].commonest_share), words)
    facts = {"answer": known[0].commonest, "share": share, "split": words[f"short_{split}"]}
    yield Sentence("note", words["commonest"].format(**facts, runs=list_some(texts, words)))


def _about_fit(section: ReportSection, words: Words, *, judged: bool) -> Iterator[Sentence]:
    """Whether the experiments overfit, each by the mean curves of its seeds, and why.

    Args:
        judged: whether they had enough steps to say that one does not.
    """
    score, fits = section.score, list(_fits(section))
    loss = score.val_loss.removeprefix("val_")
    rising = [words["rises_one"].format(**_fit_facts(v, fit, words)) for v, fit in fits if fit.rises]
    apart = [_overfits_text(v, fit, section, words) for v, fit in fits if fit.overfits and not fit.rises]
    for key, texts in ((f"rises_{loss}", rising), (f"overfits_{loss}", apart)):
        if texts:
            yield Sentence("bad", words[key].format(runs=", ".join(texts)))
    good = [(v, fit) for v, fit in fits if judged and not fit.overfits and not fit.is_short]
    if len(good) > MANY:
        yield Sentence("note", words["fits"].format(runs=words["fits_many"].format(count=len(good), all=len(fits))))
    elif good:
        texts = [words["fits_one"].format(**_fit_facts(v, fit, words)) for v, fit in good]
        yield Sentence("note", words["fits"].format(runs=", ".join(texts)))


def _fits(section: ReportSection) -> Iterator[tuple[Variant, Fit]]:
    columns = section.score.train_loss, section.score.val_loss
    for variant in section.variants:
        by_epoch: dict[float, list[dict[str, float | None]]] = {}
        for row in (row for run in variant.runs for row in run.rows):
            if row.get("epoch") is not None and all(is_number(row.get(column)) for column in columns):
                by_epoch.setdefault(float(row["epoch"] or 0), []).append(row)
        means = [
            {"epoch": epoch, **{c: sum(row[c] for row in rows) / len(rows) for c in columns}}  # type: ignore[misc]
            for epoch, rows in sorted(by_epoch.items())
            if len(rows) == max(map(len, by_epoch.values()))
        ]
        if fit := judge_fit(means, *columns):
            yield variant, fit


def _fit_facts(variant: Variant, fit: Fit, words: Words) -> dict[str, str]:
    losses = {"val": fit.val, "train": fit.train, "last": fit.last_val}
    shown = {key: in_language(f"{value:.2g}", words) for key, value in losses.items()}
    return {"run": variant.name, "best": str(fit.best_epoch), "epochs": str(fit.epochs), **shown}


def _overfits_text(variant: Variant, fit: Fit, section: ReportSection, words: Words) -> str:
    """How far val is above train in the last epoch; of classifiers also by their accuracies."""
    numbers = {"factor": f"{fit.last_val / fit.last_train:.3g}", "val": f"{fit.last_val:.2g}"}
    numbers |= {"train": f"{fit.last_train:.2g}"}
    shown = {key: in_language(number, words) for key, number in numbers.items()}
    text = words["overfits_one"].format(run=variant.name, **shown)
    columns = [f"{split}_{section.score.metric}" for split in ("train", "val")]
    ends = [[run.rows[-1].get(column) for column in columns] for run in variant.runs if run.rows]
    known = [[float(value) for value in values if value is not None and is_number(value)] for values in ends]
    if known := [values for values in known if len(values) == len(columns)]:
        means = [section.score.show(sum(values) / len(known)) for values in zip(*known, strict=True)]
        train, val = (in_language(mean, words) for mean in means)
        text += words["overfits_score"].format(train=train, val=val)
    return text


def _about_early_ends(section: ReportSection, words: Words) -> Iterator[Sentence]:
    by_patience: dict[int, list[str]] = {}
    for variant in section.variants:
        for run in variant.runs:
            if end := read_early_end(run.summary or {}):
                facts = {"run": variant.name_of(run), "epoch": end.epoch, "epochs": end.epochs}
                by_patience.setdefault(end.patience, []).append(words["early_one"].format(**facts))
    for patience, texts in by_patience.items():
        yield Sentence("note", words["early"].format(patience=patience, runs=list_some(texts, words)))


def _about_cost(section: ReportSection, words: Words) -> Iterator[Sentence]:
    runs = [run for variant in trained_variants(section) for run in variant.runs]
    seconds, ram, vram = (_known(runs, key) for key in ("seconds", "rss_peak_mb", "vram_peak_mb"))
    if not seconds or not ram:
        return
    least, most = (in_language(_show_seconds(pick(seconds)), words) for pick in (min, max))
    time = words["cost_one" if least == most else "cost_range"].format(least=least, most=most)
    gpu = words["vram_some"].format(vram=f"{max(vram):,.0f}") if vram else words["vram_none"]
    yield Sentence("note", words["cost"].format(seconds=time, ram=f"{max(ram):.0f}", vram=gpu))


def _show_seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"


def _known(runs: Sequence[Run], key: str) -> list[float]:
    values = [(run.summary or {}).get(key) for run in runs]
    return [float(value) for value in values if value is not None and is_number(value)]
