"""F27, F28: names and texts of all kinds go through every command, and are shown as text."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import edit_summary, write_images, write_pairs, write_run, write_samples
from html_page import Page
from one_process import Done, assert_told, run_all

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
NAMES = ("two words.png", "é'\" 🙂.png", "-rf.png", "UPPER.PNG", "a\x1b[31mred\nline.png", "$(id);&|.png")
NO_TEXT = os.fsdecode(b"\xff\xfe.png")  # bytes that are no UTF-8


# ---------------------------------------------------------------------- F27: end to end


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Training, scoring, enlarging and reporting among such names with LC_ALL=C, in one process."""
    folder = tmp_path_factory.mktemp("named") / "con años 'y' 🙂"
    folder.mkdir()
    write_pairs(folder / DATA, train=(*NAMES, NO_TEXT), val=0, size=(12, 12))
    shutil.copytree(folder / DATA / "train", folder / DATA / "val")
    (folder / "a.yaml").write_text("model: {name: residual, width: 4, blocks: 1}\ntrain: {epochs: 1}\n")
    write_images(folder / "photos -x", (*NAMES, NO_TEXT), (12, 12))
    up = ["upscale", "--device", "cpu"]
    commands = {
        "train": ["train", "--config", "a.yaml", "--data", DATA, "--device", "cpu", "--json"],
        "check": ["data", "check", DATA],
        "eval": ["eval", "--model", "a", "--device", "cpu", "--json"],
        "folder": [*up, "photos -x", "--output=-out 🙂", "--format", "png"],
        "json": [*up, "photos -x", "-o", "json", "--json"],
        "dashes": [*up, "--", "photos -x/-rf.png", "photos -x/$(id);&|.png"],
        "runs": ["runs"],
        "compare": ["compare", "a", "-o", "comparison ñ"],
        "report": ["report", "a", "-o", "informe ñ", "--title", "Año 🙂 <b>"],
        **{f"name {name}": ["train", "--config", "a.yaml", "--name", name] for name in REFUSED},
    }
    done = run_all(list(commands.values()), folder, env={"LC_ALL": "C"})
    return folder, dict(zip(commands, done, strict=True))


DATA = "da\"ta 🙂 'ñ'"
REFUSED = ("../../x", "a b", ".hidden", "x" * 81, "a/b", "", "-", "\x1b[31m", "a\nb", "ñ", "<script>", "..")


def stem_x2(name: str) -> str:
    stem, _ = os.path.splitext(name)
    return f"{stem}_x2.png"


def test_f27_training_scoring_and_reporting_work(worked: tuple[Path, dict[str, Done]]) -> None:
    folder, told = worked
    for command in ("train", "check", "eval", "runs", "compare", "report"):
        assert told[command].code == 0, told[command].err
        assert not CONTROL.search(told[command].out + told[command].err), command
    summary = json.loads(told["train"].out)
    assert summary["data"]["name"] == DATA
    shown = {name.replace("\x1b", "\\x1b").replace("\n", "\\x0a") for name in NAMES} | {"\\xff\\xfe.png"}
    with open(folder / "runs" / "a" / "images.csv", newline="", encoding="utf-8") as file:
        assert {row["name"] for row in csv.DictReader(file)} == shown
    assert "6 val images" not in told["train"].err
    assert f"{len(NAMES) + 1} val images are also train images" in told["train"].err
    page = Page(folder / "informe ñ" / "report.html")
    assert "Año 🙂 <b>" in page.text and DATA in page.text


def test_f27_enlarging_works(worked: tuple[Path, dict[str, Done]]) -> None:
    folder, told = worked
    for command in ("folder", "json", "dashes"):
        assert told[command].code == 0, told[command].err
        assert not CONTROL.search(told[command].err)
    written = {os.fsencode(stem_x2(name)) for name in (*NAMES, NO_TEXT)}
    assert set(os.listdir(os.fsencode(folder / "-out 🙂"))) == written
    document = json.loads(told["json"].out)
    assert {os.fsencode(entry["output"]) for entry in document["files"]} == {
        b"json/" + os.fsencode(os.path.splitext(name)[0] + "_x2" + os.path.splitext(name)[1])
        for name in (*NAMES, NO_TEXT)
    }
    assert set(os.listdir(folder / "json")) == {os.path.basename(entry["output"]) for entry in document["files"]}
    assert told["dashes"].out == "photos -x/-rf_x2.png\nphotos -x/$(id);&|_x2.png\n"


def test_f27_a_run_name_that_could_be_anything_but_a_name_is_refused(worked: tuple[Path, dict[str, Done]]) -> None:
    folder, told = worked
    for name in REFUSED:
        done = told[f"name {name}"]
        if name == "":
            continue  # the same as none: the config's
        if name == "-":
            assert_told(done, 3)  # a fine name; there is no data
            continue
        assert_told(done, 2, repr(name))
    assert sorted(os.listdir(folder / "runs")) == ["a"]
    assert not (folder.parent / "x").exists()


def test_f27_a_locale_of_ascii_alone(srae: Callable[..., object], tmp_path: Path) -> None:
    named(write_run(tmp_path / "años" / "a"), "señal 🙂")
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    for arguments in (
        ("runs", "--runs-dir", "años"),
        ("runs", "--runs-dir", "años", "--json"),
        ("compare", "a", "--runs-dir", "años"),
        ("report", "a", "--runs-dir", "años", "-o", "informe", "--lang", "es"),
    ):
        done = srae(*arguments, env=plain)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr  # type: ignore[attr-defined]
        assert done.stdout.isascii()  # type: ignore[attr-defined]
    page = (tmp_path / "informe" / "report.html").read_text(encoding="utf-8")
    assert "señal 🙂" in page and "época" in page


# --------------------------------------------------------------------- F28: shown as text

SCRIPT = "<img src=x onerror=alert(1)>"
CLOSING = "</pre></script><script>alert(2)</script>"
FORMULA = '=HYPERLINK("x")&b_c%d$e#f{g}h\\i~j^k|l'
TITLE = "</title><script>alert(3)</script> 'quoted\" \x1b[31m"


def named(run: Path, data: str) -> Path:
    """Texts from elsewhere in every place of the summary that holds one."""
    about = {"channels": "RGB", "rounded": True, "border": 0, "baseline": data}
    return edit_summary(run, data={"name": data, "fingerprint": data, "counts": {"train": 1, "val": 2}}, protocol=about)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Listing, comparison and report of two runs made of such texts; no torch, one process."""
    folder = tmp_path_factory.mktemp("shown")
    image = "<svg onload=alert(4)>.png"
    for name, value in ((SCRIPT, CLOSING), (FORMULA, FORMULA), ("red\x1b[31m\x9b1m\nline", "\x1b]0;owned\x07")):
        text = json.dumps(value)
        config = f"model: {{name: {text}, option: {text}}}\ndata: {{folder: {text}}}\n"
        run = write_run(folder / "runs" / name, config=config, psnr=[8.0, 9.0], names=[image, "1.png"])
        named(write_samples(run, names=[image]), CLOSING)
    commands = {
        "runs": ["runs"],
        "compare": ["compare", "runs", "-o", "comparison"],
        "report": ["report", "runs", "-o", "report", "--title", TITLE],
        "spanish": ["report", "estudio", "-o", "informe", "--lang", "es", "--json"],
    }
    shutil.copytree(folder / "runs", folder / "estudio")
    (folder / "estudio" / "study.yaml").write_text("configs: [a]\ndraw: [settings]\n")
    return folder, dict(zip(commands, run_all(list(commands.values()), folder), strict=True))


def test_f28_nothing_drives_the_terminal(shown: tuple[Path, dict[str, Done]]) -> None:
    _, told = shown
    for command, done in told.items():
        assert done.code == 0, done.err
        assert not CONTROL.search(done.out + done.err), command
        assert not done.has_torch
    assert "red\\x1b[31m\\x9b1m" in told["runs"].out


@pytest.mark.parametrize("name", ["report", "informe"])
def test_f28_a_page_shows_it_as_text_and_loads_nothing(name: str, shown: tuple[Path, dict[str, Done]]) -> None:
    folder, _ = shown
    page = Page(folder / name / "report.html")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "base", "form")]
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
        for key in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(key) or "data:").startswith(("data:", "#")), (tag, attributes)
    for wanted in (SCRIPT, CLOSING, FORMULA):
        assert wanted in page.text
    assert not re.search(r"https?:|url\(", page.source)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None and "default-src 'none'" in policy
    assert all(f"{kind}-src '{page.digest(kind)}'" in policy for kind in page.contents)
    assert "unsafe" not in policy
    if name == "report":
        assert TITLE.split("\x1b")[0] in page.text
    for figure in (folder / name / "figures").glob("*.svg"):
        drawn = figure.read_text(encoding="utf-8")
        assert "<script" not in drawn and "<img" not in drawn and "onload=" not in drawn.replace("&lt;svg onload=", "")


@pytest.mark.parametrize("name", ["comparison/table", "report/tables/metrics"])
def test_f28_tables_keep_their_shape_and_run_no_formula(name: str, shown: tuple[Path, dict[str, Done]]) -> None:
    folder, _ = shown
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(header)}
    cells = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.e+-]*|inf|nan", cell)]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    for part in (folder / f"{name}.tex").read_text(encoding="utf-8").split(r"\begin{tabular}")[1:]:
        lines = [line for line in part.splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == 1, "as many cells in every row"
    for line in lines[1:]:
        bare = re.sub(r"\\[&%$#_{}]|\\text\w+\{\}|\\textbf|\$(\\pm|-)\$|\{\}", "", line)
        assert not re.search(r"[%$#_~^<>|]", bare), bare
    markdown = (folder / f"{name}.md").read_text(encoding="utf-8")
    body = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in body}) == 1
    assert "<" not in "".join(body)
