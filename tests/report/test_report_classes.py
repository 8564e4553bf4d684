"""Reports on classifiers and autoencoders of run folders: counts, figures, words, published figures."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builders import Answer, edit_summary, write_classifier, write_run, write_samples
from html_page import Page
from sentences import said_of
from srae.report.canvas import Variant, shorten, style_of
from srae.report.classes import read_answers
from srae.report.confusion import classes_table, pairs_table
from srae.report.html import write_report
from srae.report.latex import to_latex
from srae.report.numbers import typeset
from srae.report.predictions import read_predictions
from srae.report.published import published_table
from srae.report.section import ReportSection, make_sections
from srae.report.sentences import write_sentences
from srae.report.tables import Table, cost_table, metrics_table
from srae.report.words import Words, translate, words_of
from srae.runs.reader import read_run, scored_on

EN, ES = words_of("en"), words_of("es")
ANIMALS = ["cat", "dog", "frog"]
VAL: list[Answer] = [("cat", "cat"), ("dog", "cat"), ("frog", "dog"), ("cat", "cat")] * 5
TEST: list[Answer] = [("cat", "cat"), ("dog", "cat"), ("dog", "dog"), ("frog", "dog"), ("cat", "dog")] * 4
HOSTILE = ["<b>bold</b>", r"$\frac{1}{2}$ & co_op | 100 %", "=cmd()", "W" * 120, "日本", "_x"]


def variants_of(*folders: Path) -> list[Variant]:
    return [Variant(folder.name, [read_run(folder)], *style_of(i)) for i, folder in enumerate(folders)]


def section_of(*folders: Path) -> ReportSection:
    (section,) = make_sections([read_run(folder) for folder in folders])
    return section


def texts_of(*folders: Path, language: str = "en") -> list[str]:
    return [sentence.text for sentence in write_sentences(section_of(*folders), words_of(language))]


def published(folder: Path, words: Words = EN) -> Table:
    table = published_table(section_of(folder), words)
    assert table is not None
    return table


# -------------------------------------------------------------------------- counting


def test_answers_are_counted_on_test_where_there_is_one(tmp_path: Path) -> None:
    both = write_classifier(tmp_path / "both", VAL, test=TEST, classes=ANIMALS)
    answers = read_answers(variants_of(both))
    assert answers is not None and (answers.split, answers.classes) == ("test", ANIMALS)
    assert answers.counts["both"].tolist() == [[4, 4, 0], [4, 4, 0], [0, 4, 0]]
    assert answers.accuracies("both").tolist() == [0.5, 0.5, 0.0]
    assert answers.never_given("both") == ["frog"]
    assert answers.confused_pairs(10) == [(0, 1), (1, 0), (2, 1)], "of equals the first; never the diagonal"
    val = read_answers(variants_of(write_classifier(tmp_path / "val", VAL, classes=ANIMALS)))
    assert val is not None and val.split == "val" and val.counts["val"].sum() == 20
    assert read_answers(variants_of(write_run(tmp_path / "images", psnr=[1.0, 2.0]))) is None


def test_old_runs_without_class_names_are_counted_in_natural_order(tmp_path: Path) -> None:
    pairs = [("10", "2"), ("2", "2"), ("1", "10")]
    answers = read_answers(variants_of(write_classifier(tmp_path / "old", pairs)))
    assert answers is not None and answers.classes == ["1", "2", "10"]
    edit_summary(tmp_path / "old", data={"name": "toys", "fingerprint": "0", "classes": ["2", "1", "7"]})
    answers = read_answers(variants_of(tmp_path / "old"))
    assert answers is not None and answers.classes == ["2", "1", "7", "10"], "names that are recorded come first"
    assert np.isnan(answers.accuracies("old")[2]), "no image, no accuracy"
    section = section_of(tmp_path / "old")
    assert [row[0].text for row in classes_table(section, answers, EN).rows] == ["2", "1", "10"]


def test_seeds_are_counted_together(tmp_path: Path) -> None:
    folders = [write_classifier(tmp_path / f"a-s{i}", VAL, classes=ANIMALS, seed=i) for i in range(2)]
    section = section_of(*folders)
    assert section.answers is not None and section.answers.counts["a"].sum() == 40


def test_tables_of_many_classes_name_the_extremes(tmp_path: Path) -> None:
    names = [f"kind {i}" for i in range(150)]
    # class i is right in i of 150 images; its mistakes go to the next class
    pairs = [(name, name if k < i // 15 else names[(i + 1) % 150]) for i, name in enumerate(names) for k in range(10)]
    folder = write_classifier(tmp_path / "many", pairs, classes=names)
    section = section_of(folder)
    assert section.answers is not None
    table = classes_table(section, section.answers, EN)
    shown = [row[0].text for row in table.rows]
    assert shown[:10] == names[:10] and shown[-10:] == names[-10:] and len(shown) == 20
    assert "Of 150 classes the 10 with the lowest accuracy" in table.caption
    assert len(table.records) == 150 and table.records[-1]["right"] == 9
    pairs_found = pairs_table(section, section.answers, ES)
    assert pairs_found is not None and pairs_found.rows[0][2].text == "10 de 10"
    section = section_of(write_classifier(tmp_path / "right", [(n, n) for n in names], classes=names))
    assert section.answers is not None and pairs_table(section, section.answers, EN) is None


def test_predictions_are_those_of_the_images(tmp_path: Path) -> None:
    first = write_classifier(tmp_path / "first", VAL, test=TEST, classes=ANIMALS, samples=8)
    second = write_classifier(tmp_path / "second", VAL, test=[(t, "dog") for t, _ in TEST], classes=ANIMALS)
    found = read_predictions(variants_of(second, first))
    places = [k * 20 // 8 for k in range(8)]
    assert [p.label for p in found] == [TEST[place][0] for place in places]
    assert [p.answers["first"] for p in found] == [TEST[place][1] for place in places]
    assert {p.answers["second"] for p in found} == {"dog"}
    last = np.asarray(Image.open(first / "samples" / f"test_{places[-1]}.png"))
    assert np.allclose(found[-1].pixels[..., 0] * 255, last)
    (first / "samples" / "test_0.png").write_bytes(b"\x89PNG half")
    (first / "samples" / "test_999.png").write_bytes(b"of no image")
    assert len(read_predictions(variants_of(first))) == 7
    assert read_predictions(variants_of(second)) == [] and read_predictions([]) == []


def test_predictions_are_not_shown_under_the_name_of_other_data(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "net", VAL, test=TEST, classes=ANIMALS, samples=8)
    own = read_run(folder)
    (folder / "images-others-test.csv").write_text((folder / "images.csv").read_text())
    elsewhere = replace(own, images="images-others-test.csv")
    assert len(read_predictions([Variant("net", [own], *style_of(0))])) == 8
    assert read_predictions([Variant("net", [elsewhere], *style_of(0))]) == []


# ---------------------------------------------------------------------------- reports


def test_a_report_on_classifiers_is_whole(tmp_path: Path) -> None:
    better = [(true, true) for true, _ in TEST]
    runs = [
        write_classifier(tmp_path / name, VAL, test=test, classes=ANIMALS, width=width, samples=8)
        for name, test, width in (("net", TEST, 4), ("best", better, 8))
    ]
    write_report([read_run(run) for run in runs], tmp_path / "report", language="es")
    figures = {file.name for file in (tmp_path / "report" / "figures").iterdir()}
    names = ("scores", "curves", "accuracy", "confusion_1", "confusion_2", "predictions",
             "pareto_parameters", "pareto_multiply_adds", "pareto_seconds")  # fmt: skip
    assert figures == {"figures.tex", *(f"{name}.{kind}" for name in names for kind in ("svg", "pdf", "png"))}
    tables = {file.stem for file in (tmp_path / "report" / "tables").iterdir()}
    assert tables == {"metrics", "metrics_full", "cost", "tests", "classes", "config", "protocol"}
    confusion = (tmp_path / "report" / "figures" / "confusion_1.svg").read_text(encoding="utf-8")
    assert f">{ES['true_class']}<" in confusion and confusion.count(">4<") == 5
    assert ES["accuracy_axis"] in (tmp_path / "report" / "figures" / "accuracy.svg").read_text(encoding="utf-8")
    page = Page(tmp_path / "report" / "report.html")
    for text in (ES["by_class"], ES["classes_count"].format(count=3), typeset("50.0%", ES), ES["test"]):
        assert text in page.text
    assert "PSNR" not in page.text
    assert not re.search(r"\{\w+\}", page.text), "every gap is filled"


def test_metrics_and_cost_of_classifiers(tmp_path: Path) -> None:
    write_classifier(tmp_path / "net", VAL, test=TEST, classes=ANIMALS)
    section = section_of(tmp_path / "net")
    heads = metrics_table(section, EN).heads
    assert heads[:4] == ["experiment", "train accuracy", "val accuracy", "test accuracy"] and len(heads) <= 6
    cells = [(cell.text, cell.interval) for cell in metrics_table(section, EN).rows[0]]
    assert cells[1] == ("99.00%", "") and cells[2][0] == "50%" and cells[2][1].startswith("[")
    assert "multiply-adds" in cost_table(section, EN).heads
    assert "a multiplication and its addition counted as one" in cost_table(section, EN).caption
    old = edit_summary(tmp_path / "net", multiply_adds=None)
    section = section_of(old)
    assert "multiplication" not in cost_table(section, EN).caption


def test_hostile_class_names_are_text(tmp_path: Path) -> None:
    pairs = [(name, HOSTILE[(i + 1) % 6]) for i, name in enumerate(HOSTILE)] * 3
    for count, classes in ((6, HOSTILE), (30, [*HOSTILE, *map(str, range(24))])):
        folder = write_classifier(tmp_path / f"net{count}", pairs, classes=classes, samples=8)
        write_report([read_run(folder)], tmp_path / f"report{count}", parts=["classes"])
        page = Page(tmp_path / f"report{count}" / "report.html")
        assert all(name in page.text for name in HOSTILE)
        with open(tmp_path / f"report{count}" / "tables" / "classes.csv", newline="", encoding="utf-8") as file:
            assert "'=cmd()" in [row["class"] for row in csv.DictReader(file)]
    svg = (tmp_path / "report6" / "figures" / "confusion_1.svg").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in svg and f">{EN['true_class']}<" in svg and "W" * 30 not in svg, "long names are cut"
    section = section_of(tmp_path / "net6")
    assert section.answers is not None
    tex = to_latex(classes_table(section, section.answers, EN), "classes", width=700)
    assert r"\$\textbackslash{}frac\{1\}\{2\}\$ \& co\_op \textbar{} 100 \%" in tex
    assert (shorten("abcdefghij", 7), shorten("abc", 7)) == ("abcd…ij", "abc")


def test_many_classes_get_a_heat_map_and_their_confusions(tmp_path: Path) -> None:
    names = [f"kind {i}" for i in range(150)]
    pairs = [(name, names[i // 2]) for i, name in enumerate(names)] * 2
    write_report(
        [read_run(write_classifier(tmp_path / "net", pairs, classes=names))], tmp_path / "report", parts=["classes"]
    )
    svg = (tmp_path / "report" / "figures" / "confusion_1.svg").read_text()
    assert svg.count(">kind ") == 30 and ">2<" not in svg, "every tenth name on both axes, no numbers"
    assert (tmp_path / "report" / "tables" / "confused.csv").exists()
    assert (
        "net never answers 75 of 150 classes: kind 75, kind 76, kind 77, kind 78, kind 79, …."
        in Page(tmp_path / "report" / "report.html").text
    )


def test_unfinished_classifiers_are_reported(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "killed", VAL, summary=False)
    young = write_classifier(tmp_path / "young", VAL, rows=0, summary=False)
    (young / "images.csv").write_text("split,na")
    write_report([read_run(folder), read_run(young)], tmp_path / "report", parts=["results", "classes", "cost"])
    assert (tmp_path / "report" / "figures" / "accuracy.svg").exists()
    assert not (tmp_path / "report" / "figures" / "confusion_1.svg").exists()


# --------------------------------------------------------------------------- sentences


def test_sentences_about_classifiers(tmp_path: Path) -> None:
    net = write_classifier(tmp_path / "net", VAL, test=TEST, classes=ANIMALS, rows=20)
    stuck = write_classifier(tmp_path / "stuck", [(true, "dog") for true, _ in VAL], classes=ANIMALS, width=2)
    texts = texts_of(net, stuck)
    assert said_of("best_alone", texts[:1]) and "net" in texts[0] and "50.00%" in texts[0] and "40.00%" in texts[0]
    assert not said_of("one_answer", texts), "answers on test are not set beside answers on val"
    assert ["net" in text and "frog" in text for text in said_of("never_answered", texts)] == [True]
    factor = (1 / 20**0.5) / (0.9 / 20)
    (overfits,) = said_of("overfits_cross_entropy", texts)
    assert all(part in overfits for part in (f"net {factor:.3g} ", "0.22", "0.045", "50.00%", "99.00%"))
    alone = texts_of(stuck)
    assert "stuck" in alone[0] and "25.00%" in said_of("only_alone", alone[:1])[0]
    assert "stuck" in said_of("one_answer", alone)[0] and "dog" in said_of("one_answer", alone)[0]
    assert "stuck" in said_of("guesses", alone)[0] and "25.00%" in said_of("guesses", alone)[0]
    assert not said_of("guesses", texts_of(write_classifier(tmp_path / "good", [(t, t) for t, _ in VAL] * 2)))
    assert "dog" in said_of("one_answer", texts_of(stuck, language="es"), "es")[0]


def test_noise_is_said_in_points(tmp_path: Path) -> None:
    worse = [*VAL[:-1], ("cat", "dog")]
    folders = [write_classifier(tmp_path / n, v, classes=ANIMALS, width=i) for i, (n, v) in
               enumerate((("a", VAL), ("b", worse)))]  # fmt: skip
    for language, points in (("en", "b (-5.00 points)"), ("es", "b (-5,00 puntos)")):
        assert points in said_of("noise", texts_of(*folders, language=language), language)[0]


# ---------------------------------------------------------------------------- autoencoders


def write_autoencoder(folder: Path, rows: int = 3) -> Path:
    """Samples in grey whose input is their target."""
    run = write_samples(write_run(folder, psnr=[14.0, 15.0, 13.0], rows=rows), shift=0.5)
    for side, source in (("output", "output"), ("low", "high"), ("high", "high")):
        for name in "12":
            image = Image.open(run / "samples" / f"{name}_{source}.png").convert("L")
            image.save(run / "samples" / f"{name}_{side}.png")
    return edit_summary(run, task="reconstruction", identity=None, test={"mse": 0.0529, "psnr": 13.0})


def test_an_autoencoders_report_shows_originals_once(tmp_path: Path) -> None:
    write_report([read_run(write_autoencoder(tmp_path / "dense_64"))], tmp_path / "report", parts=["results", "looks"])
    page = Page(tmp_path / "report" / "report.html")
    layers = [a["alt"] for tag, a in page.tags if tag == "img" and str(a.get("alt")).startswith("1: ")]
    assert layers == ["1: original", "1: reconstruction"]
    assert "14.00 dB" in page.text and "13.00 dB" in page.text
    strip = (tmp_path / "report" / "figures" / "strip.svg").read_text()
    assert strip.count("<image") == 3, "a crop of the wider image: box, original, output"
    assert ">original<" in strip and ">target<" not in strip and ">input<" not in strip


def test_small_images_are_shown_whole_a_row_each(tmp_path: Path) -> None:
    run = write_autoencoder(tmp_path / "dense_64")
    for file in (run / "samples").glob("*.png"):
        Image.open(file).crop((0, 0, 24, 24)).save(file)
    write_report([read_run(run)], tmp_path / "report", parts=["looks"])
    strip = (tmp_path / "report" / "figures" / "strip.svg").read_text()
    assert strip.count("<image") == 4 and strip.count(">original<") == 2
    text = (tmp_path / "report" / "report.html").read_text()
    assert "24 x 24 pixels; PSNR" in text and "RGB, rounded to 8 bits, border 0, values in [0, 1]" in text


# ------------------------------------------------------------------------ published figures


def test_report_cs_errors_stand_beside_ours(tmp_path: Path) -> None:
    folder = write_autoencoder(tmp_path / "dense_64-s0", rows=200)
    data = {"name": "f", "fingerprint": "1", "counts": {"train": 50_000, "val": 10_000, "test": 10_000}}
    edit_summary(folder, data=data, protocol={"channels": "L"}, epochs=200, best_epoch=200)
    table = published(folder)
    train, test = table.records
    assert (train["measure"], train["published"], train["ours"]) == ("train_mse", 0.05314, pytest.approx(0.1 / 200))
    assert (test["measure"], test["published"], test["ours"]) == ("test_mse", 0.05289, 0.0529)
    assert train["same_protocol"] and test["same_protocol"] and "our epoch" not in table.heads
    assert [cell.text for cell in table.rows[1]][3:5] == ["0.05289", "0.05290"], "as many decimals as published"


def test_report_ds_figures_stand_at_their_epoch(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "mnist_net1", VAL, test=TEST, classes=ANIMALS, rows=30)
    data = {"name": "mnist", "fingerprint": "0", "counts": {"train": 54_000, "val": 6_000, "test": 10_000}}
    edit_summary(folder, data=data, best_epoch=12)
    table = published(folder)
    by_key = {(r["epoch"], r["measure"]): r for r in table.records}
    ours = by_key[30, "test_accuracy"]
    assert (ours["published"], ours["ours"], ours["our_epoch"]) == (0.9178, pytest.approx(0.4), 12)
    assert not ours["same_protocol"], "weights of another epoch"
    assert "our epoch" in table.heads
    assert not any(epoch == 700 for epoch, _ in by_key), "not reached: no news beside what was"
    edit_summary(folder, best_epoch=30)
    section = section_of(folder)
    table = published_table(section, EN)
    assert table is not None and table.records[0]["same_protocol"] is True


def test_reports_b_and_e_beside_ours(tmp_path: Path) -> None:
    table = published(write_run(tmp_path / "skip2", rows=12))
    (record,) = table.records
    assert (record["measure"], record["published"], record["ours"]) == ("mse", 0.007, pytest.approx(0.01))
    assert "split not stated" in table.rows[0][1].text
    folder = write_classifier(tmp_path / "pokemon_cnn_augmented", VAL, test=TEST, classes=ANIMALS)
    table = published(folder, ES)
    train, test = table.records
    assert (train["published"], test["published"], test["ours"]) == (0.98, 0.50, pytest.approx(0.4))
    assert [[cell.text for cell in row][2:4] for row in table.rows] == [["–", "0,98"], ["–", "0,50"]]
    assert [row[6].text for row in table.rows] == ["no indicado", "no indicado"]
    assert "informe E: exactitud como proporción" in table.caption


def test_papers_figures_stand_beside_what_was_measured_on_their_set_alone(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "imdn-s0", rows=3)
    assert published_table(section_of(folder), EN) is None, "its own images are not Set5"
    for border, wanted in ((2, 37.5), (3, None)):
        about = {
            "data": {"name": "set5", "fingerprint": "5", "counts": {"val": 5}},
            "protocol": {"channels": "Y", "rounded": True, "border": border},
            "val": {"mse": 0.0002, "psnr": 37.5, "ssim": 0.9587},
            "identity": {"mse": 0.0006, "psnr": 33.68, "ssim": 0.9305},
        }
        (folder / "images-set5-val-y.json").write_text(json.dumps(about))
        run = scored_on(read_run(folder), "set5-val-y")
        assert run is not None
        (section,) = make_sections([run])
        table = published_table(section, EN)
        if wanted is None:
            assert table is None, "another scale"
            continue
        assert table is not None
        psnr, ssim = table.records
        assert (psnr["published"], psnr["ours"], psnr["same_protocol"]) == (38.0, wanted, True)
        assert [cell.text for cell in table.rows[0]][3:5] == ["38.00", "37.50"]
        assert (ssim["measure"], ssim["published"], ssim["ours"]) == ("val_ssim", 0.9605, 0.9587)


def test_the_file_of_published_figures_is_sane() -> None:
    from importlib import resources

    reports = json.loads(resources.files("srae.report").joinpath("published.json").read_text(encoding="utf-8"))
    sources = {report["source"].partition(" (")[0] for report in reports.values()}
    assert sources == {*(f"report {letter}" for letter in "ABCDE"), "papers"}
    for report in reports.values():
        measures = {m for finals in report["finals"].values() for final in finals for m in final} - {"epoch"}
        assert measures <= EN.keys()
        for curve in report["curves"].values():
            assert {len(values) for values in curve.values()} == {len(curve["epoch"])}
        assert words_of("es").keys() >= measures
        assert translate(report["unit"], ES) != report["unit"], "in Spanish too"
