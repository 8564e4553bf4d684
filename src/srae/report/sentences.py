"""Findings of a section as sentences: the result, what tests say of it, and what mattered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from srae.analysis.describe import grid_text
from srae.analysis.findings import Gain, compare_orders, count_units, gains_of
from srae.analysis.permutation import NOISE, describe_p, seeds_needed
from srae.report.canvas import Variant
from srae.report.observations import MANY, about_trainings, is_number, list_some, trained_variants
from srae.report.observations import Sentence as Sentence
from srae.report.section import ReportSection
from srae.report.words import Words, in_language, translate


def write_sentences(section: ReportSection, words: Words) -> list[Sentence]:
    """All findings, the main result first."""
    return [
        *_about_best(section, words),
        *_about_losers(section, words),
        *_about_tests(section, words),
        *_about_orders(section, words),
        *about_trainings(section, words),
        *_about_exact(section, words),
        *_about_factors(section, words),
        *_about_unfinished(section, words),
    ]


def _about_best(section: ReportSection, words: Words) -> list[Sentence]:
    trained, score = trained_variants(section), section.score
    if not trained:
        return []
    best = max(trained, key=lambda v: v.row[score.column])
    value = best.row[score.column]
    facts = {"run": best.name, "score": in_language(score.show(value), words), "split": words[f"short_{score.split}"]}
    if section.baseline is None:
        key = "best_alone" if len(trained) > 1 else "only_alone"
        return [Sentence("note", words[key].format(**facts, other=_on_other_split(best, section, words)))]
    name, reference = section.baseline
    facts |= {"baseline": translate(name, words), "reference": in_language(score.show(reference), words)}
    if value > reference:
        key, gain = "best" if len(trained) > 1 else "only", _gain_text(best, value - reference, section, words)
        told = all(found.p is None or found.verdict == "better" for found in gains_of(section.group, [best.row]))
        return [Sentence("good" if told else "note", words[key].format(**facts, gain=gain))]
    closest = words["closest"].format(**facts, loss=_amount(section, reference - value, words))
    return [Sentence("bad", words["none_beats"].format(**facts)), Sentence("note", closest)]


def _on_other_split(best: Variant, section: ReportSection, words: Words) -> str:
    """``, 31.20 dB on validation``, beside the score on test."""
    other = "val" if section.score.split == "test" else "test"
    value = best.row[f"{other}_{section.score.metric}"]
    if not is_number(value):
        return ""
    return words["on_other"].format(score=in_language(section.score.show(value), words), split=words[f"short_{other}"])


def _gain_text(variant: Variant, gain: float, section: ReportSection, words: Words) -> str:
    """``+0.80 dB [0.61, 0.99]``; without an interval of two seeds, which could be of any width."""
    column = "test_gain_db" if section.score.split == "test" else "gain_db"
    low, high = (variant.row.get(f"{column}_{end}") for end in ("low", "high"))
    text = f"+{_amount(section, gain, words)}"
    if low is None or high is None or len(variant.runs) == 2 or section.score.is_share:
        return text
    between = "; " if words["lang"] == "es" else ", "
    return text + in_language(f" [{low:+.2f}{between}{high:+.2f}]", words)


def _amount(section: ReportSection, difference: float, words: Words) -> str:
    """``0.80 dB``, ``1.20 points``."""
    return in_language(f"{difference * section.score.per_unit:.2f}", words) + f" {words[section.score.unit]}"


def _about_losers(section: ReportSection, words: Words) -> list[Sentence]:
    """Worse beyond noise; not told from the baseline; gains without a test."""
    if section.baseline is None:
        return []
    gains = gains_of(section.group, [variant.row for variant in trained_variants(section)])
    facts = {"baseline": translate(section.baseline[0], words), "units": _units(section, words)}
    sentences, of = [], {kind: [gain for gain in gains if gain.verdict == kind] for kind in ("worse", "noise")}
    if len(of["worse"]) == len(gains) > MANY:  # the best and the worst say more than a long list
        least, most = (pick(gains, key=lambda gain: -gain.mean) for pick in (min, max))
        ends = {"least": _amount(section, -least.mean, words), "most": _amount(section, -most.mean, words)}
        sentences.append(Sentence("bad", words["worse_all"].format(**facts, **ends, run=most.run, count=len(gains))))
    elif of["worse"]:
        sentences.append(Sentence("bad", words["worse"].format(**facts, runs=_losses(section, of["worse"], words))))
    if of["noise"]:
        runs = list_some([gain.run for gain in of["noise"]], words)
        sentences.append(Sentence("note", words["not_told"].format(**facts, runs=runs)))
    unrecorded = [gain for gain in gains if gain.p is None and gain.mean < 0]
    if unrecorded:
        runs = _losses(section, unrecorded, words)
        sentences.append(Sentence("note", words["not_recorded"].format(**facts, runs=runs)))
    if any(gain.verdict == "untested" and gain.p is not None for gain in gains):
        sentences.append(Sentence("note", words["not_tested"].format(**facts)))
    return sentences


def _losses(section: ReportSection, gains: Sequence[Gain], words: Words) -> str:
    each = [words["worse_one"].format(run=g.run, loss=_amount(section, -g.mean, words)) for g in gains]
    return list_some(each, words)


def _units(section: ReportSection, words: Words) -> str:
    """``12 images``, ``7 groups of images``."""
    unit = "groups" if section.score.split in section.group.measurements.groups else "images"
    return words[f"units_{unit}"].format(count=count_units(section.group))


def _about_tests(section: ReportSection, words: Words) -> list[Sentence]:
    if not section.tests:
        return []
    testable = [test for test in section.tests if test["testable"]]
    if not testable:
        return [_too_few(section, section.tests[0], words)]
    equal = [test for test in section.shown_tests if test["testable"] and test["p"] >= NOISE]
    if equal:
        unit, key = words[section.score.unit], section.score.key("difference")
        runs = [f"{test['run']} ({in_language(f'{test[key]:+.2f}', words)} {unit})" for test in equal]
        facts = {"best": section.best, "runs": ", ".join(runs), "tests": _test_names(equal, words)}
        return [Sentence("note", words["noise"].format(**facts))]
    return _about_winner(section, words) if section.winner else []


def _about_winner(section: ReportSection, words: Words) -> list[Sentence]:
    tests, others = section.tests, words["every_other"] if len(section.tests) > 1 else section.tests[0]["run"]
    p, tested = in_language(describe_p(max(test["p"] for test in tests), "≤ "), words), _test_names(tests, words)
    text = words["beyond_noise"].format(best=section.best, others=others, tests=tested, p=p)
    sentences, image_p = [Sentence("good", text)], max(test["image_p"] for test in tests)
    if image_p >= NOISE:
        facts = {"units": _units(section, words), "p": in_language(describe_p(image_p), words)}
        sentences.append(Sentence("note", words["other_images"].format(**facts)))
    return sentences


def _test_names(tests: Sequence[dict[str, Any]], words: Words) -> str:
    """What kinds of tests these are."""
    kinds = {test["over"]: {**test, "seeds": min(test["seeds"])} for test in tests}
    return "; ".join(words[f"test_{over}"].format(**test) for over, test in kinds.items())


def _too_few(section: ReportSection, test: dict[str, Any], words: Words) -> Sentence:
    count = len(section.tests) + 1
    if test["over"] == "seeds":
        facts = {"seeds": min(test["seeds"]), "needed": seeds_needed(count - 1)}
        return Sentence("note", words["too_few_seeds"].format(runs=count, **facts))
    return Sentence("note", words["too_few"].format(units=_units(section, words), runs=count))


def _about_orders(section: ReportSection, words: Words) -> list[Sentence]:
    found = compare_orders(section.group.rows, section.score)
    if found is None:
        return []
    facts = {"val": found.best_on_val, "test": found.best_on_test, "swapped": found.swapped, "pairs": found.pairs}
    return [Sentence("note", words["orders"].format(**facts))]


def _about_exact(section: ReportSection, words: Words) -> list[Sentence]:
    """The images that no mean PSNR holds."""
    if not section.group.left_out:
        return []
    facts = {"split": words[f"short_{section.score.split}"], "names": list_some(section.group.left_out, words)}
    return [Sentence("note", words["left_out"].format(**facts))]


def _about_factors(section: ReportSection, words: Words) -> list[Sentence]:
    sentences, design = [], section.design
    if section.shares:
        ordered = sorted(section.shares.items(), key=lambda item: -item[1])
        shares = ", ".join(
            f"{words['residual'] if name == 'residual' else name} {in_language(f'{share:.0%}', words)}"
            for name, share in ordered
        )
        score = words[section.score.metric]
        sentences.append(Sentence("note", words["mattered"].format(score=score, shares=shares)))
    sentences += [Sentence("note", words["together"].format(keys=list_some(keys, words))) for keys in design.together]
    if design.missing:
        cells = [words["missing_with"].join(f"{key} {value}" for key, value in cell.items()) for cell in design.missing]
        facts = {"cells": list_some(cells, words, 3), "grid": grid_text(design.grid)}
        sentences.append(Sentence("note", words["missing"].format(**facts)))
    return sentences


def _about_unfinished(section: ReportSection, words: Words) -> list[Sentence]:
    sentences = []
    for variant, run in ((v, run) for v in section.variants for run in v.runs):
        if run.status != "done":
            facts = {"run": variant.name_of(run), "status": translate(run.status, words)}
            sentences.append(Sentence("note", words["unfinished" if run.rows else "no_metrics"].format(**facts)))
    return sentences
