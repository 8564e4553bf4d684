"""Reports of run folders: what is said follows from the numbers, and nothing foreign is executed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
from PIL import Image

from builders import edit_summary, write_run, write_samples
from html_page import Page
from sentences import said_of
from srae.analysis.rows import row_of
from srae.analysis.scores import PSNR
from srae.cli import main
from srae.errors import ConfigError
from srae.report.canvas import Variant, plain, style_of
from srae.report.charts import draw_levels, find_frontier
from srae.report.curves import draw_variants, panels_of
from srae.report.html import write_report
from srae.report.latex import escape_latex
from srae.report.published import published_table
from srae.report.samples import Sample, choose_variants, find_crop, read_samples, with_outputs
from srae.report.section import ReportSection, make_sections
from srae.report.sentences import write_sentences
from srae.report.table_files import escape_markdown
from srae.report.tables import metrics_table
from srae.report.words import _TEXTS, LANGUAGES, words_of
from srae.runs.layout import list_runs
from srae.runs.reader import read_run

EN, ES = words_of("en"), words_of("es")
BASE = [28.0 + 0.5 * i for i in range(12)]
BETTER = [value + 0.4 + 0.01 * (i * 5 % 12) for i, value in enumerate(BASE)]  # no two differences are equal
EQUAL = [value + (0.01 + 0.001 * i) * (1 if i % 2 else -1) for i, value in enumerate(BETTER)]


def section_of(*folders: Path) -> ReportSection:
    (section,) = make_sections([read_run(folder) for folder in folders])
    return section


def said(*folders: Path, language: str = "en") -> list[str]:
    return [sentence.text for sentence in write_sentences(section_of(*folders), words_of(language))]


# ------------------------------------------------------------------------ whole reports


def test_a_report_is_whole_and_its_bytes_hold_no_clock(tmp_path: Path) -> None:
    runs = [
        write_samples(write_run(tmp_path / f"w{width}-s{seed}", width=width, seed=seed, psnr=psnr), shift=width / 8)
        for width, psnr in ((4, BASE), (8, BETTER))
        for seed in (0, 1)
    ]
    for folder in ("first", "second"):
        write_report([read_run(run) for run in runs], tmp_path / folder)
    first, second = (
        {str(file.relative_to(tmp_path / folder)): file.read_bytes() for file in (tmp_path / folder).rglob("*.*")}
        for folder in ("first", "second")
    )
    figures = ("scores", "curves", "pareto_seconds", "pareto_parameters", "shares", "strip")
    tables = ("metrics", "cost", "tests", "shares", "config")
    assert set(first) == {
        *("report.html", "report.tex", "all.tex", "figures/figures.tex", "tables/protocol.tex"),
        *(f"tables/metrics_full.{kind}" for kind in ("md", "tex")),
        *(f"figures/{name}.{kind}" for name in figures for kind in ("svg", "png", "pdf")),
        *(f"tables/{name}.{kind}" for name in tables for kind in ("csv", "md", "tex")),
    }
    assert [name for name in first if first[name] != second[name]] == []
    text = first["report.html"].decode()
    assert "over 2 seeds" in text and "lowest to the highest seed" in text
    assert "http:" not in text and "https:" not in text and "//" not in re.sub(r"base64,[^\"]*|// .*", "", text)
    with pytest.raises(ConfigError) as caught:
        write_report([read_run(runs[0])], tmp_path / "first")
    assert str(tmp_path / "first") in str(caught.value.where)


def test_runs_in_any_state_are_reported_apart_from_others(tmp_path: Path) -> None:
    folders = [
        write_samples(write_run(tmp_path / "done", psnr=BASE)),
        write_run(tmp_path / "other", fingerprint="1"),
        write_run(tmp_path / "killed", summary=False),
        write_run(tmp_path / "young", summary=False, rows=0),
        write_run(tmp_path / "torn", summary=False, rows=2),
    ]
    (tmp_path / "torn" / "summary.json").write_text('{"version": 1, "ru')
    (tmp_path / "torn" / "config.yaml").unlink()
    (tmp_path / "done" / "samples" / "1_output.png").write_bytes(b"\x89PNG half")
    written = write_report([read_run(folder) for folder in folders], tmp_path / "report")
    assert [[run.name for run in part.section.group.runs] for part in written] == [
        ["done"],
        ["other"],
        ["killed", "young"],
        ["torn"],  # what data it asks for is not known, so it stands alone
    ]
    texts = [sentence.text for part in written for sentence in part.sentences]
    assert [text.split()[0] for text in said_of("unfinished", texts)] == ["killed", "torn"]
    assert [text.split()[0] for text in said_of("no_metrics", texts)] == ["young"]
    text = (tmp_path / "report" / "report.html").read_text()
    assert text.count('<section id="section-') == 4 and EN["apart"] in text
    assert "other" not in (tmp_path / "report" / "tables" / "metrics-1.md").read_text()


def test_the_command_in_two_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "runs" / "study"
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate("ab"):
        write_run(study / name, width=i, psnr=(BASE, BETTER)[i])
    assert main(["report", "study", "-o", "es", "--lang", "es", "--title", "Mañana"]) == 0
    spanish = capsys.readouterr()
    assert "b es el mejor" in spanish.out and "es/report.html" in spanish.err
    text = (tmp_path / "es" / "report.html").read_text(encoding="utf-8")
    assert '<html lang="es">' in text and "<h1>Mañana</h1>" in text and "Resultados" in text
    assert "época" in (tmp_path / "es" / "figures" / "curves.svg").read_text(encoding="utf-8")

    command = ["report", "a", "b", "--runs-dir", str(study), "-o", str(tmp_path / "en"), "--json"]
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["page"].endswith("en/report.html") and document["sections"][0]["runs"] == ["a", "b"]
    assert "Results" in (tmp_path / "en" / "report.html").read_text()
    tables = sorted((tmp_path / "en" / "tables").glob("*.csv"))
    assert tables
    for file in tables:
        assert file.read_bytes() == (tmp_path / "es" / "tables" / file.name).read_bytes()
    assert main(command) == 2, "an existing report is not touched"
    assert len(capsys.readouterr().err.splitlines()) == 3


# ---------------------------------------------------------------------- what is said


def test_every_text_has_the_same_gaps_in_every_language() -> None:
    gaps = {
        key: [sorted(name for _, name, _, _ in Formatter().parse(text) if name) for text in texts]
        for key, texts in _TEXTS.items()
    }
    assert [key for key, languages in gaps.items() if languages[0] != languages[1]] == []
    assert set(LANGUAGES) == {"en", "es"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_result_is_said_first(tmp_path: Path, language: str) -> None:
    good = write_run(tmp_path / "good", width=1, psnr=[14.0, 15.0])
    bad = write_run(tmp_path / "bad", width=2, psnr=[11.0, 12.0])
    texts = [text.replace(",", ".") for text in said(good, bad, language=language)]
    assert "good" in texts[0] and "14.50" in texts[0] and "+1.50" in texts[0]
    assert "bad" in texts[1] and "1.50" in texts[1] and "good" not in texts[1]
    assert not [text for text in texts if "{" in text or "}" in text]
    assert "13.00" in said(bad, language=language)[0].replace(",", ".") and "+" not in said(bad, language=language)[0]


def test_overfitting_is_named_with_its_factor(tmp_path: Path) -> None:
    (sentence,) = said_of("overfits_mse", said(write_run(tmp_path / "a")))
    assert "a 2 times (0.067 against 0.033)" in sentence
    folder = write_run(tmp_path / "b")
    (folder / "metrics.csv").write_text("epoch,train_mse,val_mse\n1,0.1,0.149\n")
    assert not said_of("overfits_mse", said(folder))


@pytest.mark.parametrize(
    ("output", "key", "named"),
    [
        ({"min": 0.5, "max": 0.5, "spread": 0.001}, "dead", "a"),
        ({"min": 0.5, "max": 1.0, "spread": 0.4}, "dark", "a 0.50"),
        ({"min": 0.0, "max": 0.7, "spread": 0.4}, "light", "a 0.70"),
        ({"min": 0.05, "max": 0.95, "spread": 0.4}, "", ""),
    ],
)
def test_a_dead_or_limited_output_is_named(tmp_path: Path, output: dict[str, float], key: str, named: str) -> None:
    folder = edit_summary(write_run(tmp_path / "a"), output={**output, "target_min": 0.0, "target_max": 1.0})
    about = {kind: found for kind in ("dead", "dark", "light") if (found := said_of(kind, said(folder)))}
    assert list(about) == ([key] if key else []) and named in str(about)


def test_an_old_run_shows_its_dead_output_by_its_samples(tmp_path: Path) -> None:
    folder = write_samples(write_run(tmp_path / "a"))
    assert not said_of("dead", said(folder))
    for name in "12":
        Image.new("RGB", (32, 24), (128, 128, 128)).save(folder / "samples" / f"{name}_output.png")
    assert len(said_of("dead", said(folder))) == 1


def test_bold_and_noise_follow_the_paired_test(tmp_path: Path) -> None:
    base, better, equal = (
        read_run(write_run(tmp_path / name, width=i, psnr=psnr))
        for i, (name, psnr) in enumerate((("base", BASE), ("better", BETTER), ("equal", EQUAL)))
    )
    (clear,) = make_sections([base, better])
    best = [cell.text for row in metrics_table(clear, EN).rows for cell in row if cell.best]
    assert best == ["31.2"], "two significant digits of the interval"
    assert "better" in said_of("beyond_noise", [s.text for s in write_sentences(clear, EN)])[0]
    (close,) = make_sections([base, better, equal])
    assert not [c for row in metrics_table(close, EN).rows for c in row if c.best]
    noise = said_of("noise", [s.text for s in write_sentences(close, EN)])
    assert len(noise) == 1 and "base" not in noise[0]
    few = [read_run(write_run(tmp_path / f"few{i}", width=i, psnr=[30.0 + 9 * i] * 5)) for i in range(2)]
    (section,) = make_sections(few)
    assert "5" in said_of("too_few", [s.text for s in write_sentences(section, EN)])[0]
    untested = read_run(write_run(tmp_path / "untested", width=9))
    (partly,) = make_sections([base, better, untested])
    assert partly.winner is None, "what could not be tested is not beaten"


@pytest.mark.parametrize("psnr", [None, float("inf")])
def test_a_baseline_without_a_finite_psnr_is_none(tmp_path: Path, psnr: float | None) -> None:
    """It returned a flat image exactly.  Warnings are errors here: nothing infinite is drawn."""
    folders = [write_run(tmp_path / f"w{i}", width=i, psnr=values) for i, values in enumerate((BASE, BETTER))]
    for folder in folders:
        edit_summary(folder, identity={"mse": 0.05, "psnr": psnr, "ssim": 0.5})
    (written,) = write_report([read_run(folder) for folder in folders], tmp_path / "report", parts=["results", "cost"])
    assert written.section.baseline is None
    assert "w1" in written.sentences[0].text and "31.21 dB" in said_of("best_alone", [written.sentences[0].text])[0]
    page = Page(tmp_path / "report" / "report.html").text
    assert "inf dB" not in page
    for name in ("scores", "pareto_seconds"):
        assert "inf" not in re.findall(r">([^<]*)<", (tmp_path / "report" / "figures" / f"{name}.svg").read_text())


def test_figures_of_other_data_have_no_looks(tmp_path: Path) -> None:
    """The images in a run's folder are of its own val: under the name of other data they would be a lie."""
    folder = write_samples(write_run(tmp_path / "a", psnr=BASE))
    for name in "12":
        Image.new("RGB", (32, 24), (128, 128, 128)).save(folder / "samples" / f"{name}_output.png")
    own = read_run(folder)
    about = {"data": {"name": "set5", "fingerprint": "5"}, "val": {"psnr": 33.0}, "identity": {"psnr": 30.0}}
    for run, here in ((own, True), (replace(own, summary=own.summary | about, images="images-set5-val-y.csv"), False)):  # type: ignore[operator]
        (written,) = write_report([run], tmp_path / f"report_{here}", parts=["looks"])
        assert bool(said_of("dead", [sentence.text for sentence in written.sentences])) == here
        assert (tmp_path / f"report_{here}" / "figures" / "strip.png").exists() == here
        assert ("slider" in str(Page(tmp_path / f"report_{here}" / "report.html").tags)) == here


def test_the_best_of_many_are_judged_with_all_of_them(tmp_path: Path) -> None:
    """Six images tell two experiments apart, and not eight: also where only two of the eight are shown."""
    runs = [
        read_run(write_run(tmp_path / f"w{i}", width=i, psnr=[30.0 - i + k / 9 for k in range(6)])) for i in range(8)
    ]
    for count, key in ((2, "beyond_noise"), (8, "too_few")):
        (section,) = make_sections(runs[:count], top=2)
        assert [variant.name for variant in section.variants] == ["w0", "w1"]
        assert said_of(key, [sentence.text for sentence in write_sentences(section, EN)])
        assert len(section.shown_tests) == 1 and (section.winner == "w0") == (count == 2)


def test_what_mattered_is_said(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / f"w{width}-s{seed}", width=width, seed=seed, psnr=[20.0 + width + 0.1 * seed] * 2)
        for width in (4, 8)
        for seed in (0, 1)
    ]
    (sentence,) = said_of("mattered", said(*folders))
    assert "PSNR" in sentence and "model.width 100%" in sentence


def test_a_grid_is_drawn_over_the_factor_with_most_levels(tmp_path: Path) -> None:
    folders = []
    for width in (4, 8, 16):
        for blocks in (1, 2):
            config = f"model: {{name: residual, width: {width}, blocks: {blocks}}}"
            folder = write_run(tmp_path / f"w{width}-b{blocks}", config=config, psnr=[20.0 + width - blocks] * 2)
            folders.append(folder)
    section = section_of(*folders)
    assert draw_levels(section.variants, PSNR, section.baseline, tmp_path / "levels", EN) == "model.width"
    drawn = (tmp_path / "levels.svg").read_text()
    assert ">blocks 1<" in drawn and ">blocks 2<" in drawn
    assert not draw_levels(section.variants[1:], PSNR, None, tmp_path / "gap", EN), "no full grid"
    assert not (tmp_path / "gap.svg").exists()


def test_a_sweep_over_numbers_is_drawn_in_order_of_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [0.0001, 0.0003, 0.001, 0.003, 0.01]
    for rate in rates:
        config = f"model: {{name: residual}}\ntrain: {{learning_rate: {rate}}}"
        write_run(tmp_path / f"learning_rate_{rate}-s0", config=config, psnr=[20 + 100 * rate] * 2)
    runs = list(map(read_run, list_runs(tmp_path)))
    assert [run.config["train"]["learning_rate"] for run in runs if run.config] == rates
    (section,) = make_sections(runs)
    axes = []
    monkeypatch.setattr("srae.report.charts.draw_legend", lambda figure, found: axes.append(found))
    turned = [section.variants[i] for i in (3, 0, 4, 1, 2)]
    assert draw_levels(turned, PSNR, None, tmp_path / "levels", EN) == "train.learning_rate"
    (drawn,) = axes
    assert drawn.get_xscale() == "log"
    assert list(drawn.lines[0].get_xdata()) == rates
    assert list(drawn.lines[0].get_ydata()) == pytest.approx([20 + 100 * rate for rate in rates])
    assert not draw_levels(turned[:2], PSNR, None, tmp_path / "two", EN), "two levels are no curve"


def test_a_study_in_which_nothing_beats_the_input_says_so_in_one_sentence(tmp_path: Path) -> None:
    reference = [13.0 + i for i in range(6)]
    for width in range(1, 9):
        psnr = [value - 13 + width / 2 for value in reference]
        write_run(tmp_path / f"w{width}", width=width, psnr=psnr, reference=reference)
    sentences = said(*(tmp_path / f"w{width}" for width in range(1, 9)))
    (worse,) = said_of("worse_all", sentences)
    assert all(part in worse for part in ("8", "9.00 dB", "12.50 dB", "w1"))


# ------------------------------------------------------------------- tables and escaping


def test_escapes() -> None:
    assert escape_latex("50 % of a_b & c\n") == r"50 \% of a\_b \& c "
    assert escape_markdown("a_b _c_ *d* `e` <f>") == r"a_b \_c\_ \*d\* \`e\` &lt;f&gt;"


def test_published_figures_stand_beside_ours_in_their_unit(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "cnn4_tanh", rows=20)
    section = section_of(folder)
    table = published_table(section, EN)
    assert table is not None
    val = next(record for record in table.records if record["measure"] == "val_mse")
    assert (val["published"], val["ours"], val["epoch"]) == (0.1611, pytest.approx(4 * 0.2 / 20), 20)
    assert not val["same_protocol"], "toy data under RGB is not what report A measured"
    counts = {"name": "p", "fingerprint": "9", "counts": {"train": 685, "val": 119, "test": 51}}
    edit_summary(folder, data=counts, protocol={"channels": "RGBA", "rounded": True, "border": 0})
    section = section_of(folder)
    table = published_table(section, ES)
    assert table is not None and all(record["same_protocol"] for record in table.records)
    section = section_of(write_run(tmp_path / "mine"))
    assert published_table(section, EN) is None


def test_experiments_of_one_name_are_told_apart_by_their_study(tmp_path: Path) -> None:
    figures = (("s1", BETTER), ("s2", BASE))
    folders = [
        write_samples(write_run(tmp_path / study / "cnn4_tanh", width=i, psnr=psnr), shift=i)
        for i, (study, psnr) in enumerate(figures)
    ]
    edit_summary(folders[1], status="stopped")
    runs, names = [read_run(folder) for folder in folders], ["s1/cnn4_tanh", "s2/cnn4_tanh"]
    (written,) = write_report(runs, tmp_path / "report", parts=["results", "looks", "settings"])
    section = written.section
    assert [v.name for v in section.variants] == [v.row["run"] for v in section.variants] == names
    assert (section.best, section.winner, [test["run"] for test in section.tests]) == (names[0], names[0], names[1:])
    page = Page(tmp_path / "report" / "report.html").text
    assert "s2/cnn4_tanh is not finished (stopped)" in page and "Configuration of s1/cnn4_tanh" in page
    for figure in ("scores", "curves", "strip"):
        svg = (tmp_path / "report" / "figures" / f"{figure}.svg").read_text()
        assert all(f">{name}<" in svg for name in names)
    published = published_table(section, EN)
    assert published is not None and {record["run"] for record in published.records} == set(names)
    (section,) = make_sections([runs[0], runs[0]])
    assert len(section.variants) == 1, "a run named twice counts once"


# --------------------------------------------------------------------------- figures


def test_the_crop_is_where_the_models_differ_most() -> None:
    high = np.full((96, 128, 3), 0.5, np.float32)
    other = high.copy()
    other[33:41, 70:90] = 0.9
    calm = Sample("calm", high, {"a": high, "b": high}, high)
    busy = Sample("busy", high[::2, ::2], {"a": high, "b": other}, high)
    crop = find_crop([calm, busy], ["a", "b"], side=33)
    assert crop is not None and crop.sample.name == "busy"
    assert crop.side == 32 and crop.top % 2 == 0 and crop.left % 2 == 0, "whole pixels of the input"
    assert crop.top <= 33 and crop.top + crop.side >= 41 and crop.left <= 70 and crop.left + crop.side >= 90
    assert find_crop([], ["a"]) is None


def test_strips_show_the_best_models_and_the_worst(tmp_path: Path) -> None:
    variants = []
    for i in range(9):
        folder = write_samples(write_run(tmp_path / f"m{i}", width=i, psnr=[10.0 + i, 10.0 + i]), names=["1", str(i)])
        if i == 0:
            edit_summary(folder, parameters=0)
        run = read_run(folder)
        variants.append(Variant(run.name, [run], *style_of(i), row_of(run)))
    shown, models = choose_variants(with_outputs(variants), PSNR)
    assert [v.name for v in shown] == ["m0", "m8", "m7", "m6", "m5", "m4", "m1"] and models == 8
    assert [sample.name for sample in read_samples(shown)] == ["1"], "only images that all runs have"


def test_the_frontier_holds_what_nothing_cheaper_exceeds() -> None:
    points = [(10.0, 30.0), (1.0, 20.0), (5.0, 19.0), (10.0, 31.0), (20.0, 31.0)]
    assert find_frontier(points) == [(1.0, 20.0), (10.0, 31.0)]
    assert find_frontier([]) == []


def test_styles_and_labels() -> None:
    assert len({style_of(i) for i in range(64)}) == 64
    assert plain("_a$b$") == r" _a\$b\$" and plain("日\n…") == "? …"


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / r"_$\frac$ 日"))
    draw_variants([Variant(run.name, [run], *style_of(0))], panels_of(PSNR), tmp_path / "curves", formats=("svg",))
    assert r"_$\frac$ ?" in (tmp_path / "curves.svg").read_text()
