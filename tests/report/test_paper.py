"""What goes into a paper: numbers rounded to their interval, tables and plots of a width, the baseline as a row."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from matplotlib import rc_context
from PIL import Image

from builders import edit_summary, write_classifier, write_run, write_samples
from html_page import Page
from srae import __version__
from srae.cli import main
from srae.report.canvas import STYLE
from srae.report.environment import AUTHOR, TITLE, bibtex
from srae.report.html import write_report
from srae.report.latex import to_latex
from srae.report.numbers import measured, typeset
from srae.report.section import make_sections
from srae.report.tables import Cell, Table, metrics_table, over_text
from srae.report.words import words_of
from srae.runs.reader import read_run

EN, ES = words_of("en"), words_of("es")
THIN = "\u202f"
TEST, BASE_VAL, BASE_TEST = (
    {"mse": mse, "psnr": psnr, "ssim": ssim}
    for mse, psnr, ssim in ((0.0012, 29.21, 0.8512), (0.05, 13.04, 0.8781), (0.06, 12.22, 0.8934))
)


def study(folder: Path, count: int = 3, seeds: int = 1) -> list[Path]:
    """Runs with long names and metrics of val and test."""
    folders = []
    for number in range(count):
        for seed in range(seeds):
            path = folder / f"activation_leaky_relu-kernel_{number}-s{seed}"
            psnr = [28.0 + number + seed / 7 + 0.5 * image for image in range(8)]
            run = write_samples(write_run(path, width=number + 1, seed=seed, psnr=psnr), shift=number)
            edit_summary(run, test=TEST, identity=BASE_VAL, test_identity=BASE_TEST, multiply_adds=12_681_216)
            folders.append(run)
    return folders


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `srae report` writes of a study when nothing else is asked for."""
    folder = tmp_path_factory.mktemp("paper")
    with rc_context(STYLE):
        assert main(["report", *map(str, study(folder / "runs")), "-o", str(folder / "report")]) == 0
    return folder / "report"


# ---------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("column", "value", "ends", "english", "spanish"),
    [
        ("val_psnr", 29.6234, None, ("29.62", ""), ("29,62", "")),
        ("val_psnr", 29.6234, (29.4834, 29.7634), ("29.62", "± 0.14"), ("29,62", "± 0,14")),
        ("val_psnr", 9.81, (1.0, 18.62), ("9.8", "± 8.8"), ("9,8", "± 8,8")),
        ("val_psnr", 14.27, (-16.93, 45.47), ("14", "± 31"), ("14", "± 31")),
        ("val_psnr", 30.0, (28.1, 31.2), ("30.0", "[28.1, 31.2]"), ("30,0", "[28,1; 31,2]")),
        ("val_mse", 0.213764, (0.137424, 0.290104), ("0.214", "± 0.076"), ("0,214", "± 0,076")),
        ("val_ssim", 0.5, (0.5, 0.5), ("0.5000", "± 0.0000"), ("0,5000", "± 0,0000")),
        ("val_ssim", 0.5, (0.5 - 1e-17, 0.5 + 1e-16), ("0.5000", "± 0.0000"), ("0,5000", "± 0,0000")),
        ("val_psnr", 29.62341, (29.62221, 29.62461), ("29.6234", "± 0.0012"), ("29,6234", "± 0,0012")),
        ("val_accuracy", 0.95, (0.7639, 0.9911), ("95%", "[76, 99]"), (f"95{THIN}%", "[76; 99]")),
        ("gain_db", 0.5, (0.36, 0.64), ("+0.50", "± 0.14"), ("+0,50", "± 0,14")),
        ("gain_db", 0.5, (-0.5, 2.0), ("+0.5", "[−0.5, +2.0]"), ("+0,5", "[−0,5; +2,0]")),
        ("test_gain_db", -14.666, None, ("−14.67", ""), ("−14,67", "")),
        ("parameters", 1234567, None, (f"1{THIN}234{THIN}567", ""), (f"1{THIN}234{THIN}567", "")),
        ("val_psnr", None, None, ("–", ""), ("–", "")),
    ],
)
def test_a_value_has_two_significant_digits_of_its_interval(
    column: str,
    value: float | None,
    ends: tuple[float, float] | None,
    english: tuple[str, str],
    spanish: tuple[str, str],
) -> None:
    low, high = ends or (None, None)
    row = {column: value, f"{column}_low": low, f"{column}_high": high}
    assert (measured(column, row, EN), measured(column, row, ES)) == (english, spanish)


def test_of_two_seeds_both_values_are_shown() -> None:
    row = {"val_psnr": 12.715, "val_psnr_low": 2.0, "val_psnr_high": 23.0, "by_seed": {"val_psnr": [11.89, 13.54]}}
    assert measured("val_psnr", row, EN) == ("12.71", "(11.89, 13.54)")
    assert measured("val_psnr", row, ES) == ("12,71", "(11,89; 13,54)")


@pytest.mark.parametrize(
    ("over", "english", "spanish"),
    [
        ("12 images", "12 images", "12 imágenes"),
        ("3 seeds", "3 seeds", "3 semillas"),
        ("119 val, 51 test images", "119 val, 51 test images", "119 imágenes de val y 51 de test"),
    ],
)
def test_what_an_interval_is_over(over: str, english: str, spanish: str) -> None:
    assert (over_text(over, EN), over_text(over, ES)) == (english, spanish)


def test_numbers_in_the_signs_of_a_language() -> None:
    assert typeset("-1,234.5%", EN) == f"−1{THIN}234.5%"
    assert typeset("-1,234.5%", ES) == f"−1{THIN}234,5{THIN}%"


# ------------------------------------------------------------------------ the baseline


def test_the_baseline_is_a_row_with_val_and_test_in_every_format(report: Path) -> None:
    with open(report / "tables" / "metrics.csv", newline="", encoding="utf-8") as file:
        first, second = list(csv.DictReader(file))[:2]
    assert first["run"] == "returning the input" and second["run"] != first["run"]
    assert [float(first[key]) for key in ("val_psnr", "val_ssim", "test_psnr", "test_ssim")] == [
        13.04, 0.8781, 12.22, 0.8934,
    ]  # fmt: skip
    files = [report / "tables" / f"metrics.{kind}" for kind in ("md", "tex")]
    for text in (*(file.read_text() for file in files), Page(report / "report.html").text):
        for value in ("returning the input", "13.04", "0.8781", "12.22", "0.8934"):
            assert value in text


def test_a_baseline_that_is_an_experiment_is_no_second_row(tmp_path: Path) -> None:
    runs = study(tmp_path, count=2)
    edit_summary(runs[0], parameters=0, val=BASE_VAL, test=BASE_TEST)
    (runs[0] / "images.csv").unlink()
    (section,) = make_sections([read_run(run) for run in runs])
    assert [record["run"] for record in metrics_table(section, EN).records] == [run.name for run in runs]


# ------------------------------------------------------------------------------- LaTeX


def test_a_table_too_wide_for_a_line_becomes_two_parts() -> None:
    heads = ["run", *(f"a column with a head {i}" for i in range(12))]
    rows = [[Cell("name_of_a_run", None), *[Cell("123.45", 123.45, interval="± 0.12")] * 12] for _ in range(3)]
    tex = to_latex(Table("wide", "Wide", heads, [False] + [True] * 12, rows, [], baselines=1), "wide", 345)
    parts = re.findall(r"\\begin\{tabular\}\{@\{\}(l r*|lr*)@\{\}\}", tex)
    assert len(parts) > 1 and sum(part.count("r") for part in parts) == 12
    assert tex.count(r"\caption") == tex.count(r"\label{tab:srae-wide}") == 1
    assert tex.count(r"\midrule") == 2 * len(parts), "below the head, and below the baseline"


def test_a_table_too_long_for_a_page_becomes_several_floats() -> None:
    rows = [[Cell(f"run{i}", None), Cell(str(i), i)] for i in range(100)]
    tex = to_latex(Table("long", "Long", ["run", "value"], [False, True], rows, []), "long")
    counts = [tex.count(text) for text in (r"\begin{table}", r"\label", r"\addtocounter{table}{-1}")]
    assert counts == [3, 1, 2]
    assert all(f"run{i} &" in tex for i in range(100))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex: apt-get install texlive-latex-recommended")
@pytest.mark.parametrize(("language", "width", "count"), [("en", 345.0, 3), ("es", 252.0, 5)])
def test_everything_compiles_and_fits_its_line(tmp_path: Path, language: str, width: float, count: int) -> None:
    answers = [(name, name) for name in ("cat", "dog & <hen>", "100 % \\ {frog}")] * 6
    runs = [*study(tmp_path / "images", count, seeds=2), write_classifier(tmp_path / "ünet_1", answers, samples=8)]
    write_report([read_run(run) for run in runs], tmp_path / "report", language=language, width=width)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path / "report", capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "report" / "report.log").read_text(encoding="utf-8", errors="replace")
    assert re.findall(r"Overfull \\hbox \(.*", log) == []
    for file in (tmp_path / "report" / "tables").glob("*.tex"):
        assert file.stem in (tmp_path / "report" / "all.tex").read_text(), "everything is input"


# ------------------------------------------------------------------------------- plots


def test_plots_have_the_width_of_a_line_and_fonts_that_publishers_take(report: Path, tmp_path: Path) -> None:
    runs = study(tmp_path / "runs", count=2)
    with rc_context(STYLE):
        assert main(["report", *map(str, runs), "-o", str(tmp_path / "narrow"), "--width", "12cm"]) == 0
    for plots, points in ((report / "figures", 455.0), (tmp_path / "narrow" / "figures", 341.43)):
        for name in ("scores", "curves"):
            content = (plots / f"{name}.pdf").read_bytes()
            wide = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)
            assert wide and float(wide[1]) / 72 * 72.27 == pytest.approx(points, abs=1)
            assert b"/Type3" not in content and b"/CIDFontType2" in content
            with Image.open(plots / f"{name}.png") as image:
                assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        with Image.open(plots / "strip.png") as image:
            assert image.width / 300 * 72.27 <= points + 2


@pytest.mark.parametrize("width", ["345", "wide", "20pt", "9in9"])
def test_a_width_that_is_none_is_refused(width: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["report", "a", "-o", "b", "--width", width])
    assert caught.value.code == 2 and width in capsys.readouterr().err


# -------------------------------------------------------------------------- environment


def test_the_page_says_when_where_and_how(tmp_path: Path) -> None:
    def page_of(runs: list[Path], name: str) -> str:
        write_report([read_run(run) for run in runs], tmp_path / name, parts=["settings"])
        return Page(tmp_path / name / "report.html").text

    runs = study(tmp_path / "my_study", count=2, seeds=2)
    about = {"started": "2026-03-04T05:06:07+00:00", "cpu": "Some CPU", "cores": 6, "device": "Some GPU", "threads": 3,
             "torch": "9.8.7", "srae": "0.0.9", "command": "srae train --config a"}  # fmt: skip
    for run in runs:
        (run / "environment.json").write_text(json.dumps(about))
    text = page_of(runs, "one")
    for part in ("2026-03-04", "Some CPU (6 cores), Some GPU", "PyTorch 9.8.7", "srae 0.0.9", "0, 1", "24 s for 4 runs",
                 "srae train --config a", "@software"):  # fmt: skip
        assert part in text
    (tmp_path / "my_study" / "study.yaml").write_text("configs: [cnn4_tanh]\nseeds: [0, 1]\n")
    text = page_of(runs, "two")
    assert "srae study my_study.yaml" in text and "configs: [cnn4_tanh]" in text
    (runs[0] / "environment.json").write_text("[")
    (runs[1] / "environment.json").unlink()
    assert "@software" in page_of(runs[:2], "three")


def test_srae_is_cited_as_its_own_file_says() -> None:
    file = Path(__file__).parents[2] / "CITATION.cff"
    cited = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert (cited["title"], cited["authors"][0]["name"]) == (TITLE, AUTHOR)
    assert all(text in bibtex() for text in (TITLE, AUTHOR, __version__))
