"""What the numbers of a section say, as sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.image import imread

from srae.narrate import find_output_faults
from srae.report.figures import Variant
from srae.report.section import Section
from srae.report.words import Words, translate
from srae.runs import Run

OVERFITS_FROM = 1.5  # validation error over training error
NOISE = 0.05  # p after Holm


@dataclass(frozen=True)
class Sentence:
    kind: Literal["good", "bad", "note"]
    text: str


def write_sentences(section: Section, words: Words) -> list[Sentence]:
    """Everything there is to say, the result first."""
    return [
        *_about_best(section, words),
        *_about_losers(section, words),
        *_about_outputs(section, words),
        *_about_overfitting(section, words),
        *_about_noise(section, words),
        *_about_factors(section, words),
        *_about_unfinished(section, words),
    ]


def _trained(section: Section) -> list[Variant]:
    """With a PSNR, and more than a baseline itself."""
    return [v for v in section.variants if _is_number(v.row["val_psnr"]) and v.row["parameters"] != 0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _about_best(section: Section, words: Words) -> list[Sentence]:
    trained = _trained(section)
    if not trained:
        return []
    best = max(trained, key=lambda v: v.row["val_psnr"])
    psnr = best.row["val_psnr"]
    if section.baseline is None:
        return [Sentence("note", words["best_alone"].format(run=best.name, psnr=psnr))] if len(trained) > 1 else []
    name, reference = section.baseline
    facts = {"baseline": translate(name, words), "reference": reference}
    key = "best" if len(trained) > 1 else "only"
    text = words[key].format(run=best.name, psnr=psnr, gain=psnr - reference, **facts)
    if psnr > reference:
        return [Sentence("good", text)]
    closest = words["closest"].format(run=best.name, psnr=psnr, loss=reference - psnr)
    return [Sentence("bad", words["none_beats"].format(**facts)), Sentence("note", closest)]


def _about_losers(section: Section, words: Words) -> list[Sentence]:
    if section.baseline is None:
        return []
    name, reference = section.baseline
    losers = [(v.name, reference - v.row["val_psnr"]) for v in _trained(section) if v.row["val_psnr"] < reference]
    if not losers:
        return []
    runs = ", ".join(words["worse_one"].format(run=run, loss=loss) for run, loss in losers)
    return [Sentence("bad", words["worse"].format(baseline=translate(name, words), runs=runs))]


def _about_outputs(section: Section, words: Words) -> list[Sentence]:
    found: dict[str, list[str]] = {"dead": [], "dark": [], "light": []}
    for variant in _trained(section):
        faults = [dict(find_output_faults(_output_of(run))) for run in variant.runs]
        for fault, texts in found.items():
            values = {run.name: each[fault] for run, each in zip(variant.runs, faults, strict=True) if fault in each}
            if len(values) == len(variant.runs):  # all seeds alike
                values = {variant.name: sum(values.values()) / len(values)}
            texts += [name if fault == "dead" else f"{name} {value:.2f}" for name, value in values.items()]
    return [Sentence("bad", words[fault].format(runs=", ".join(texts))) for fault, texts in found.items() if texts]


def _output_of(run: Run) -> dict[str, float] | None:
    """A summary's `output`; of a run that did not record it, the same from its sample pictures."""
    recorded = (run.summary or {}).get("output")
    if isinstance(recorded, dict):
        return recorded
    folder = run.path / "samples"
    try:
        outputs = [imread(path)[..., :3] for path in sorted(folder.glob("*_output.png"))]
        targets = [imread(path)[..., :3] for path in sorted(folder.glob("*_high.png"))]
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


def _about_overfitting(section: Section, words: Words) -> list[Sentence]:
    texts = []
    for variant in section.variants:
        ends = [(run.rows[-1].get("train_mse"), run.rows[-1].get("val_mse")) for run in variant.runs if run.rows]
        known = [(train, val) for train, val in ends if train and val and _is_number(train) and _is_number(val)]
        if known:
            train, val = (sum(side) / len(known) for side in zip(*known, strict=True))
            if val > OVERFITS_FROM * train:
                texts.append(words["overfits_one"].format(run=variant.name, factor=val / train, val=val, train=train))
    return [Sentence("bad", words["overfits"].format(runs=", ".join(texts)))] if texts else []


def _about_noise(section: Section, words: Words) -> list[Sentence]:
    if not section.tests:
        return []
    images = section.tests[0]["images"]
    equal = [test["run"] for test in section.tests if test["p"] >= NOISE]
    if equal:
        return [Sentence("note", words["noise"].format(best=section.best, runs=", ".join(equal), images=images))]
    if section.winner:
        p = max(test["p"] for test in section.tests)
        return [Sentence("good", words["beyond_noise"].format(best=section.best, images=images, p=p))]
    return []


def _about_factors(section: Section, words: Words) -> list[Sentence]:
    if not section.shares:
        return []
    ordered = sorted(section.shares.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{words['residual'] if name == 'residual' else name} {share:.0%}" for name, share in ordered)
    return [Sentence("note", words["mattered"].format(shares=shares))]


def _about_unfinished(section: Section, words: Words) -> list[Sentence]:
    sentences = []
    for run in section.group.runs:
        if run.status != "done":
            key = "unfinished" if run.rows else "no_figures"
            sentences.append(Sentence("note", words[key].format(run=run.name, status=translate(run.status, words))))
    return sentences
