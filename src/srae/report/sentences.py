"""Findings of a section as sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from srae.analysis.permutation import NOISE, can_tell, describe_p
from srae.report.canvas import Variant, has_own_metrics, read_png
from srae.report.section import ReportSection
from srae.report.words import Words, translate
from srae.runs.messages import find_output_faults, list_names
from srae.runs.reader import Run

OVERFITS_FROM = 1.5  # validation error over training error
NAMED = 5  # classes in a sentence
MANY = 6  # runs that a sentence lists


@dataclass(frozen=True)
class Sentence:
    kind: Literal["good", "bad", "note"]
    text: str


def write_sentences(section: ReportSection, words: Words) -> list[Sentence]:
    """All findings, the main result first."""
    return [
        *_about_best(section, words),
        *_about_losers(section, words),
        *_about_outputs(section, words),
        *_about_answers(section, words),
        *_about_overfitting(section, words),
        *_about_noise(section, words),
        *_about_exact(section, words),
        *_about_factors(section, words),
        *_about_unfinished(section, words),
    ]


def _trained(section: ReportSection) -> list[Variant]:
    """Variants with a score that have parameters, so are no baseline."""
    return [v for v in section.variants if _is_number(v.row[section.score.column]) and v.row["parameters"] != 0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _about_best(section: ReportSection, words: Words) -> list[Sentence]:
    trained, score = _trained(section), section.score
    if not trained:
        return []
    best = max(trained, key=lambda v: v.row[score.column])
    value = best.row[score.column]
    facts = {"run": best.name, "score": score.show(value), "split": words[f"short_{score.split}"]}
    if section.baseline is None:
        other = "val" if score.split == "test" else "test"
        there, text = best.row[f"{other}_{score.metric}"], words["on_other"]
        also = text.format(score=score.show(there), split=words[f"short_{other}"]) if _is_number(there) else ""
        key = "best_alone" if len(trained) > 1 else "only_alone"
        return [Sentence("note", words[key].format(**facts, other=also))]
    name, reference = section.baseline
    facts |= {"baseline": translate(name, words), "reference": score.show(reference)}
    key = "best" if len(trained) > 1 else "only"
    if value > reference:
        return [Sentence("good", words[key].format(**facts, gain=_difference(section, value - reference, words)))]
    closest = words["closest"].format(**facts, loss=_amount(section, reference - value, words))
    return [Sentence("bad", words["none_beats"].format(**facts)), Sentence("note", closest)]


def _amount(section: ReportSection, difference: float, words: Words) -> str:
    """``0.80 dB``, ``1.20 points``."""
    return f"{difference * section.score.per_unit:.2f} {words[section.score.unit]}"


def _difference(section: ReportSection, difference: float, words: Words) -> str:
    """The same with its sign."""
    return ("+" if difference >= 0 else "") + _amount(section, difference, words)


def _about_losers(section: ReportSection, words: Words) -> list[Sentence]:
    if section.baseline is None:
        return []
    (name, reference), column = section.baseline, section.score.column
    losers = [(v.name, reference - v.row[column]) for v in _trained(section) if v.row[column] < reference]
    if not losers:
        return []
    if len(losers) == len(_trained(section)) > MANY:  # the best and the worst say more than a long list
        least, most = (pick(losers, key=lambda loser: loser[1]) for pick in (min, max))
        facts = {
            "count": len(losers),
            "least": _amount(section, least[1], words),
            "most": _amount(section, most[1], words),
        }
        return [Sentence("bad", words["worse_all"].format(baseline=translate(name, words), run=most[0], **facts))]
    runs = ", ".join(words["worse_one"].format(run=run, loss=_amount(section, loss, words)) for run, loss in losers)
    return [Sentence("bad", words["worse"].format(baseline=translate(name, words), runs=runs))]


def _about_outputs(section: ReportSection, words: Words) -> list[Sentence]:
    found: dict[str, list[str]] = {"dead": [], "dark": [], "light": []}
    for variant in _trained(section):
        faults = [dict(find_output_faults(_output_of(run))) for run in variant.runs]
        for fault, texts in found.items():
            values = {run.name: each[fault] for run, each in zip(variant.runs, faults, strict=True) if fault in each}
            if len(values) == len(variant.runs):  # every seed has this fault
                values = {variant.name: sum(values.values()) / len(values)}
            texts += [name if fault == "dead" else f"{name} {value:.2f}" for name, value in values.items()]
    return [Sentence("bad", words[fault].format(runs=", ".join(texts))) for fault, texts in found.items() if texts]


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


def _about_answers(section: ReportSection, words: Words) -> list[Sentence]:
    """Classifiers that guess or always give one answer, and classes that they never answer."""
    answers = section.answers
    if answers is None:
        return []
    sentences, all_classes, column = [], len(answers.classes), section.score.column
    for row in (v.row for v in _trained(section)):
        if (row[column] if row[f"{column}_low"] is None else row[f"{column}_low"]) <= 1 / all_classes:
            facts = {"run": row["run"], "all": str(all_classes), "score": section.score.show(row[column])}
            facts["split"] = words[f"short_{section.score.split}"]
            sentences.append(Sentence("bad", words["guesses"].format(**facts)))
    for name, counts in answers.counts.items():
        given, silent = counts.sum(0), answers.never_given(name)
        if all_classes > 1 and (given > 0).sum() == 1:
            facts = {"run": name, "answer": answers.classes[int(given.argmax())]}
            sentences.append(Sentence("bad", words["one_answer"].format(**facts)))
        elif silent:
            names = ", ".join(silent[:NAMED]) + (", …" if len(silent) > NAMED else "")
            facts = {"run": name, "names": names, "count": str(len(silent)), "all": str(all_classes)}
            sentences.append(Sentence("bad", words["never_answered"].format(**facts)))
    return sentences


def _about_overfitting(section: ReportSection, words: Words) -> list[Sentence]:
    texts, score = [], section.score
    for variant in section.variants:
        ends = _means_at_end(variant, score.train_loss, score.val_loss)
        if ends and 0 < OVERFITS_FROM * ends[0] < ends[1]:
            facts = {"run": variant.name, "factor": ends[1] / ends[0], "val": ends[1], "train": ends[0]}
            texts.append(words["overfits_one"].format(**facts))
            if scores := _means_at_end(variant, f"train_{score.metric}", f"val_{score.metric}"):
                texts[-1] += words["overfits_score"].format(train=score.show(scores[0]), val=score.show(scores[1]))
    key = f"overfits_{score.val_loss.removeprefix('val_')}"
    return [Sentence("bad", words[key].format(runs=", ".join(texts)))] if texts else []


def _means_at_end(variant: Variant, *columns: str) -> list[float] | None:
    """The columns in the last epoch, mean over the seeds that have them all."""
    ends = [[run.rows[-1].get(column) for column in columns] for run in variant.runs if run.rows]
    known = [values for values in ends if all(map(_is_number, values))]
    return [sum(values) / len(known) for values in zip(*known, strict=True)] if known else None


def _about_noise(section: ReportSection, words: Words) -> list[Sentence]:
    if not section.tests:
        return []
    images, unit = section.tests[0]["images"], words[section.score.unit]
    if not can_tell(images, len(section.tests)):
        return [Sentence("note", words["too_few"].format(images=images, runs=len(section.tests) + 1))]
    equal = [
        f"{test['run']} ({test[section.score.key('difference')]:+.2f} {unit})"
        for test in section.shown_tests
        if test["p"] >= NOISE
    ]
    if equal:
        return [Sentence("note", words["noise"].format(best=section.best, runs=", ".join(equal), images=images))]
    if section.winner:
        p = max(test["p"] for test in section.tests)
        return [Sentence("good", words["beyond_noise"].format(best=section.best, images=images, p=describe_p(p, "≤ ")))]
    return []


def _about_exact(section: ReportSection, words: Words) -> list[Sentence]:
    """The images that no mean PSNR holds."""
    if not section.group.left_out:
        return []
    facts = {"split": words[f"short_{section.score.split}"], "names": list_names(section.group.left_out)}
    return [Sentence("note", words["left_out"].format(**facts))]


def _about_factors(section: ReportSection, words: Words) -> list[Sentence]:
    if not section.shares:
        return []
    ordered = sorted(section.shares.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{words['residual'] if name == 'residual' else name} {share:.0%}" for name, share in ordered)
    score = words[section.score.metric]
    return [Sentence("note", words["mattered"].format(score=score, shares=shares))]


def _about_unfinished(section: ReportSection, words: Words) -> list[Sentence]:
    sentences = []
    for variant, run in ((v, run) for v in section.variants for run in v.runs):
        if run.status != "done":
            facts = {"run": variant.name_of(run), "status": translate(run.status, words)}
            sentences.append(Sentence("note", words["unfinished" if run.rows else "no_metrics"].format(**facts)))
    return sentences
