"""What a report says of tests over seeds and groups, of designs, fits, early ends and cost; in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import edit_summary, write_classifier, write_run
from sentences import said_of
from srae.report.section import make_sections
from srae.report.sentences import write_sentences
from srae.report.words import words_of
from srae.runs.ending import judge_fit, read_early_end
from srae.runs.messages import answer_lines, result_lines, split_sentence
from srae.runs.reader import read_run

BASE = [28.0 + 0.5 * i for i in range(12)]


def said(*folders: Path, language: str = "en") -> list[str]:
    (section,) = make_sections([read_run(folder) for folder in folders])
    return [sentence.text for sentence in write_sentences(section, words_of(language))]


def seeds_of(folder: Path, offsets: dict[int, float], seeds: int, groups: list[str] | None = None) -> list[Path]:
    return [
        write_run(folder / f"w{w}-s{s}", width=w, seed=s, psnr=[v + offset + 0.1 * s for v in BASE], groups=groups)
        for w, offset in offsets.items()
        for s in range(seeds)
    ]


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("seeds", "key"), [(2, "too_few_seeds"), (3, "too_few_seeds"), (5, "beyond_noise")])
def test_the_headline_is_over_seeds(tmp_path: Path, seeds: int, key: str, language: str) -> None:
    (sentence,) = said_of(key, said(*seeds_of(tmp_path, {4: 0, 8: 1}, seeds), language=language), language)
    assert ("4" in sentence) if key == "too_few_seeds" else ("w8" in sentence and "5" in sentence)


def test_seeds_that_agree_on_few_photographs_are_of_these_images(tmp_path: Path) -> None:
    texts = said(*seeds_of(tmp_path, {4: 0, 8: 1}, 5, groups=["a"] * 6 + ["b"] * 6))
    assert said_of("beyond_noise", texts) and "2 groups" in said_of("other_images", texts)[0]
    assert not said_of("other_images", said(*seeds_of(tmp_path / "all", {4: 0, 8: 1}, 5)))


def test_crops_of_two_photographs_are_too_few(tmp_path: Path) -> None:
    texts = said(*seeds_of(tmp_path, {4: 0, 8: 1}, 1, groups=["astronaut"] * 9 + ["chelsea"] * 3))
    assert "2 groups" in said_of("too_few", texts)[0] and not said_of("beyond_noise", texts)


@pytest.mark.parametrize(("offset", "key"), [(-1.0, "worse"), (0.0, "not_told"), (1.0, "only")])
def test_worse_is_said_beyond_noise_only(tmp_path: Path, offset: float, key: str) -> None:
    psnr = [value + offset + (0.5 if i % 2 else -0.5) for i, value in enumerate(BASE)]
    texts = said(write_run(tmp_path / "a", psnr=psnr, reference=BASE))
    assert [k for k in ("worse", "not_told", "not_tested", "not_recorded") if said_of(k, texts)] == (
        [] if key == "only" else [key]
    )
    few = said(write_run(tmp_path / "few", psnr=[v - 1 for v in BASE[:3]], reference=BASE[:3]))
    assert said_of("not_tested", few) and not said_of("worse", few)


def test_val_and_test_that_order_otherwise_are_told(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"w{w}", width=w, psnr=[30.0 + w + i for i in range(6)]) for w in (1, 2, 3)]
    for folder, test in zip(folders, (40.0, 39.0, 38.0), strict=True):
        edit_summary(folder, test={"mse": 0.01, "psnr": test, "ssim": 0.9})
    (sentence,) = said_of("orders", said(*folders))
    assert "3 of 3" in sentence and sentence.index("w3") < sentence.index("w1")
    edit_summary(folders[0], test={"mse": 0.01, "psnr": 1.0, "ssim": 0.9})
    edit_summary(folders[1], test={"mse": 0.01, "psnr": 2.0, "ssim": 0.9})
    assert not said_of("orders", said(*folders))


@pytest.mark.parametrize("language", ["en", "es"])
def test_keys_that_change_together_are_named_with_the_grid_to_type(tmp_path: Path, language: str) -> None:
    folders = []
    for width, epochs in ((4, 5), (8, 10)):
        for seed in (0, 1):
            config = f"model: {{name: residual, width: {width}}}\ntrain: {{epochs: {epochs}}}\nseed: {seed}\n"
            psnr = [20.0 + width + seed / 9, 21.0 + width]
            folders.append(write_run(tmp_path / f"{width}-{epochs}-s{seed}", config=config, psnr=psnr))
    texts = said(*folders, language=language)
    assert not said_of("mattered", texts, language)
    assert "model.width, train.epochs" in said_of("together", texts, language)[0]
    assert "grid: {model.width: [4, 8], train.epochs: [5, 10]}" in said_of("missing", texts, language)[0]


# ------------------------------------------------------------------------- one training


@pytest.mark.parametrize(
    ("train", "val", "verdict"),
    [
        ([0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.25, 0.3], "rises"),
        ([0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.25, 0.255], "apart"),
        ([0.4, 0.3, 0.2, 0.18], [0.4, 0.3, 0.25, 0.24], "fits"),
        ([0.1, 0.2, 0.3, 0.4], [0.3, 0.25, 0.3, 0.4], "fits"),
        ([0.4, 0.3], [0.4, 0.35], "short"),
        ([None, 0.3, 0.2, 0.1], [0.2, 0.3, 0.25, 0.12], "fits"),
        ([], [], None),
    ],
    ids=["rises", "far above train", "fits", "train rises too", "short", "the start has no train loss", "nothing"],
)
def test_overfitting_is_judged_by_the_curves(train: list[float | None], val: list[float], verdict: str | None) -> None:
    rows = [
        {"epoch": float(i + 1), "train_mse": t, "val_mse": v} for i, (t, v) in enumerate(zip(train, val, strict=True))
    ]
    fit = judge_fit(rows, "train_mse", "val_mse")
    if verdict is None:
        assert fit is None
        return
    assert fit is not None and fit.epochs == len(rows)
    assert fit.rises == (verdict == "rises") and fit.overfits == (verdict in ("rises", "apart"))
    assert fit.is_short == (verdict == "short")


@pytest.mark.parametrize(("last", "key"), [(0.30, "rises_mse"), (0.24, "fits")])
def test_a_report_says_whether_a_training_overfits_and_why(tmp_path: Path, last: float, key: str) -> None:
    folder = write_run(tmp_path / "a", psnr=BASE)
    rows = [(0.4, 0.4), (0.3, 0.3), (0.25, 0.25), (0.22, last)]
    lines = [f"{i + 1},{100 * i + 100},{t},{v}" for i, (t, v) in enumerate(rows)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,train_mse,val_mse", *lines]) + "\n")
    texts = said(folder)
    assert [k for k in ("rises_mse", "overfits_mse", "fits") if said_of(k, texts)] == [key]
    assert ("3 of 4" if key == "rises_mse" else "4 of 4") in said_of(key, texts)[0]
    assert not said_of("few_steps", texts)
    few = said(edit_summary(folder, steps=30))
    assert "30" in said_of("few_steps", few)[0] and not said_of("fits", few)
    summary = json.loads((folder / "summary.json").read_text()) | {"gain_db": None}
    assert "30" in result_lines({**summary, "steps": 30}, "runs/a", read_run(folder).rows)
    closing = result_lines({**summary, "steps": 3000}, "runs/a", read_run(folder).rows)
    assert ("overfits" in closing) == (key == "rises_mse") and "VRAM not measured" in closing


@pytest.mark.parametrize(
    ("epochs", "wanted", "patience", "status", "early"),
    [(9, 30, 3, "done", True), (30, 30, 3, "done", False), (9, 30, None, "done", False), (9, 30, 3, "stopped", False)],
)
def test_an_early_end_is_told(
    tmp_path: Path, epochs: int, wanted: int, patience: int | None, status: str, early: bool
) -> None:
    train = {"epochs": wanted, "patience": patience}
    folder = edit_summary(
        write_run(tmp_path / "a", psnr=BASE), epochs=epochs, status=status, config={"train": train}, steps=900
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert (read_early_end(summary) is not None) == early
    assert bool(said_of("early", said(folder))) == early
    if status == "done":
        assert ("stopped after epoch 9 of 30" in result_lines(summary, "runs/a", [])) == early


def test_the_cost_of_a_study_is_told_with_its_range(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"w{w}", width=w, psnr=BASE) for w in (1, 2)]
    edit_summary(folders[0], seconds=1.2, rss_peak_mb=900)
    edit_summary(folders[1], seconds=14, rss_peak_mb=1200)
    (sentence,) = said_of("cost", said(*folders))
    assert "1.2 to 14 s" in sentence and "1200 MB" in sentence and "no GPU" in sentence
    edit_summary(folders[1], vram_peak_mb=812)
    assert "812" in said_of("cost", said(*folders))[0]


def test_one_answer_is_told_beside_what_it_reaches(tmp_path: Path) -> None:
    pairs = [("healthy" if i % 20 else "ill", "healthy") for i in range(40)]
    folder = write_classifier(tmp_path / "net", pairs, test=pairs, classes=["healthy", "ill"])
    texts = said(folder)
    assert said_of("one_answer", texts)
    assert "95.00%" in said_of("commonest", texts)[0] and "50.00%" in said_of("commonest", texts)[0]
    (section,) = make_sections([read_run(folder)])
    counted = section.group.measurements.answers[folder]
    answers = {split: each.as_dict() for split, each in counted.items()}
    lines = answer_lines(answers)
    assert "val 0.95" in lines[0] and "healthy for every val and test image" in lines[1] and answer_lines(None) == []
    even = write_classifier(tmp_path / "even", [(c, c) for c in "ab" * 9], classes=["a", "b"])
    assert not said_of("commonest", said(even))


def test_the_closing_lines_hold_every_split_with_its_verdict(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", psnr=BASE, reference=BASE)
    scores, tested = (
        {"mse": 0.01, "psnr": 20.0, "ssim": 0.9},
        {"low": -1.5, "high": -0.5, "p": 0.01, "over": "9 images"},
    )
    changes = {"gain_db": {"val": -1.0, "test": -1.0}, "test": scores, "test_identity": {"mse": 0.01, "psnr": 21.0}}
    verdicts = {"val": {**tested, "testable": True, "beyond_noise": True}}
    verdicts["test"] = {**tested, "testable": False, "beyond_noise": False}
    edit_summary(folder, gain_test=verdicts, **changes)
    summary = json.loads((folder / "summary.json").read_text())
    assert "WORSE" in split_sentence(summary, "val") and "[-1.50, -0.50]" in split_sentence(summary, "val")
    assert "WORSE" not in split_sentence(summary, "test") and "9 images" in split_sentence(summary, "test")
    assert all(split_sentence(summary, split) in result_lines(summary, "runs/a") for split in ("val", "test"))
