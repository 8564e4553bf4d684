"""The pages say what is true: their commands and code run, and what they name exists.

Every command of a `console` block of README.md and docs/*.md, and of a table of docs/i_have.md, is run in a folder of
its own, on toys that bear the names the pages use: small images, small networks under the names of the shipped
configs, finished runs, a finished study.  `python` blocks are executed, `yaml` blocks trained as a dry run.
A block that cannot run here has a comment before it, `<!-- not run: reason -->`.
"""

from __future__ import annotations

import argparse
import glob
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
import yaml
from PIL import Image

from srae.cli import VERBS, main
from srae.data.demo import CORNERS, SPLITS
from srae.images.write_tiff import write_bands
from srae.runs.layout import COLUMNS

ROOT = Path(__file__).parents[2]
CONFIGS = {path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
LOG = ROOT / "docs" / "lab_log.md"  # what was typed once
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path != LOG)]
RESULTS = sorted((ROOT / "docs" / "results").glob("*.md"))
BESIDE = [
    *sorted(ROOT.glob("[!R]*.md")),
    *sorted(ROOT.glob("[dfr]*/README.md")),
    ROOT / "tests" / "faults" / "README.md",
]
PROGRAMS = {"srae": [], "srae-train": ["train"], "srae-upscale": ["upscale"]}
MAX_README = 160


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str
    not_run: str
    """Why not; empty where it is run."""


def blocks_of(page: Path) -> Iterator[Block]:
    pattern = r"(?:^<!-- not run: (?P<why>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$"
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        line = text[: found.start("text")].count("\n") + 1
        yield Block(page.name, line, found["language"], found["text"], found["why"] or "")


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def commands_of(block: Block) -> list[str]:
    """Lines after a `$`, with their continuations; comments stay."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block.text, re.MULTILINE)


def code_spans(text: str) -> list[str]:
    """`inline code`, blocks left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def all_commands() -> dict[str, str]:
    """Command -> where it stands first and, where it is not run, why: each is run once."""
    found: dict[str, tuple[str, str]] = {}
    for block in BLOCKS:
        if block.language == "console":
            for command in commands_of(block):
                found.setdefault(" ".join(split_words(command)), (block.page, block.not_run))
    for line in (ROOT / "docs" / "i_have.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            for span in code_spans(line.rpartition(" | ")[2]):
                if span.split()[0] in PROGRAMS and "VERB" not in span:
                    found.setdefault(" ".join(split_words(span)), ("i_have.md", ""))
    return {command: f"{page}: not run: {why}" if why else "" for command, (page, why) in found.items()}


def split_words(command: str) -> list[str]:
    """Words as typed, quotes kept, without the comment."""
    return shlex.split(command.replace("\\\n", " "), comments=True, posix=False)


COMMANDS = all_commands()


def bare_arguments(words: list[str]) -> tuple[str, list[str]]:
    """(verb, arguments) of an srae command."""
    arguments = [*PROGRAMS[words[0]], *words[1:]]
    return arguments[0], arguments[1:]


# ------------------------------------------------------------------------------------ toys


def draw(path: Path, side: tuple[int, int] = (32, 32), channels: int = 3, dtype: Any = np.uint8) -> None:
    """A smooth random image, the same for the same path."""
    seed = sum(path.as_posix().encode())
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, channels), dtype=np.uint8))
    image = small.resize(side[::-1], Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    if dtype == np.uint16:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    image.save(path)


def write_toy_configs(folder: Path) -> None:
    """Every shipped config under its name, with a network and images that train within a second."""
    for name in sorted(CONFIGS):
        document = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        path = folder / "configs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        if "configs" in document:
            document = {"configs": ["../upscalers/x2.yaml"], "draw": ["settings"]}
        else:
            small = {"classification": {"name": "residual_classifier", "channels": [4]},
                     "reconstruction": {"name": "dense_autoencoder", "hidden": 4}}  # fmt: skip
            network = {"name": "residual", "width": 4, "blocks": 1, "shrink": document["model"].get("shrink", 2)}
            if document["model"]["name"] not in ("identity", "bicubic"):
                document["model"] = small.get(document.get("task", ""), network)
            data = document["data"]
            data |= {"limit": 6} | {key: 16 for key in ("crop", "side") if key in data}
            data.get("degrade", {}).pop("sizes", None)
            document.setdefault("train", {})
            document["train"] |= {"epochs": 1, "batch_size": 4}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")


def write_toy_images(folder: Path) -> None:
    for split, count in (("train", 6), ("val", 3)):
        for index in range(count):
            high = folder / "data" / "isr855" / split / "high_res" / f"{index}.png"
            draw(high)
            low = high.parents[1] / "low_res" / high.name
            low.parent.mkdir(exist_ok=True)
            with Image.open(high) as image:
                image.resize((16, 16)).resize(image.size).save(low)
    shutil.copytree(folder / "data" / "isr855", folder / "data" / "cars")
    shutil.copytree(folder / "data" / "isr855" / "train" / "low_res", folder / "data" / "small")
    shutil.copytree(folder / "data" / "isr855" / "train" / "high_res", folder / "data" / "large")
    write_toy_bands(folder / "data" / "ct", 1)
    write_toy_bands(folder / "data" / "tiles", 5)
    rows = [f"data/small/{index}.png,data/large/{index}.png\n" for index in range(6)]
    (folder / "pairs.csv").write_text("low,high\n" + "".join(rows))
    for index in range(10):
        draw(folder / "photos" / f"{index}.jpg", (36, 40))
        for kind in ("abra", "bulbasaur", "zubat"):
            draw(folder / "data" / "pokemon" / kind / f"{index}.png")
    for patient, scan in itertools.product(range(3), range(0, 9, 3)):  # names of one sum would be equal images
        for kind in ("ill", "well"):
            draw(folder / "data" / "scans" / kind / f"patient{patient}_slice{scan}.png")
        draw(folder / "data" / "crops" / f"{patient:04}_s{scan:03}.png")
    shutil.copytree(folder / "photos", folder / "data" / "photos")
    for index in range(2):
        draw(folder / "data" / "set5" / f"{index}.png")
        draw(folder / "scans" / f"{index}" / "page.tif", dtype=np.uint16)
    draw(folder / "photo.jpg", (24, 30))
    draw(folder / "blurred.png", (24, 30))
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(folder / "animation.png", save_all=True, append_images=frames[1:])


def write_toy_bands(folder: Path, count: int) -> None:
    """Pairs of 12 bits in TIFFs of 16, of so many bands."""
    for split, images in (("train", 6), ("val", 3)):
        for index in range(images):
            waves = np.sin(np.arange(32 * 32 * count).reshape(32, 32, count) / (7 + index)) / 2 + 0.5
            for side, pixels in (("high_res", waves), ("low_res", (waves[:, ::-1] + waves) / 2)):
                path = folder / split / side / f"{index}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bands(path, (pixels * 4095).astype(np.uint16))


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands of the pages take for granted."""
    folder = tmp_path_factory.mktemp("toys")
    write_toy_configs(folder)
    write_toy_images(folder)
    (folder / "my.yaml").write_text("model: {name: residual, width: 4}\ndata: {folder: data/isr855}\n")
    (folder / "my_study.yaml").write_text("configs: [configs/upscalers/x2.yaml]\ndraw: [settings]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("cnn4_tanh", "residual", "identity"):
            assert main(["train", "--config", f"configs/{name}.yaml", "--device", "cpu"]) == 0
        study = ["--runs-dir", "runs/my_study", "--name", "x2-s0", "--set", "seed=0", "--device", "cpu"]
        assert main(["train", "--config", "configs/upscalers/x2.yaml", *study]) == 0
        assert main(["study", "my_study.yaml", "--device", "cpu"]) == 0  # its one run is done
        scored = ["--data", "data/set5", "--scale", "2", "--protocol", "y", "--device", "cpu"]
        assert main(["eval", "--model", "runs/my_study", *scored]) == 0
        for study in ("published", "report_d"):
            shutil.copytree("runs/my_study", f"runs/{study}")
        shutil.copytree("runs/identity", "results/runs/identity")
    return folder


@pytest.fixture
def place(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the toys, as working directory; of links, for srae replaces files, it does not write into them."""
    copy = shutil.copytree(toys, tmp_path / "place", copy_function=os.link)
    monkeypatch.chdir(copy)
    return copy


# ------------------------------------------------------------------------------------ what is run


def with_reasons() -> list[Any]:
    return [pytest.param(c, marks=pytest.mark.skip(reason=why)) if why else c for c, why in COMMANDS.items()]


@pytest.mark.parametrize("command", with_reasons())
def test_command(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verb, words = bare_arguments(command_words(command))
    if verb not in ("--help", "--version"):
        assert verb in VERBS, "a block with other commands needs `<!-- not run: reason -->`"
    try:
        code = main([verb, *words])
    except SystemExit as stop:  # argparse
        code = stop.code
    missing = "cuda" in command or "mps" in command or verb == "doctor"  # 5: this machine lacks what was asked for
    assert code in ((0, 5) if missing else (0,)), capsys.readouterr().err


def command_words(command: str) -> list[str]:
    """What a shell would hand over; configs that are named without a path are the toys of that name."""
    words: list[str] = []
    for word in split_words(command):
        if word[0] in "'\"":
            words.append(word[1:-1])
        else:
            words += (glob.has_magic(word) and sorted(glob.glob(word))) or [word]
    verb, arguments = bare_arguments(words)
    for place, word in enumerate(arguments):
        if (verb == "study" and place == 0) or (verb == "train" and place and arguments[place - 1] == "--config"):
            assert Path(word).is_file() or configs_called(word), f"no config is called {word}"
            arguments[place] = word if Path(word).is_file() else f"configs/{configs_called(word)[0]}.yaml"
    return ["srae", verb, *arguments]


def configs_called(name: str) -> list[str]:
    """Shipped configs of a name or a pattern, with or without their folder."""
    pattern = re.compile(re.escape(name.removeprefix("configs/").removesuffix(".yaml")).replace(r"\*", "[^/]*"))
    return sorted(c for c in CONFIGS if pattern.fullmatch(c) or pattern.fullmatch(c.rpartition("/")[2]))


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.language == "python"}))
def test_python_of_a_page(page: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {split: dict.fromkeys(list(files)[:2], CORNERS) for split, files in SPLITS.items()}
    monkeypatch.setattr("srae.data.demo.SPLITS", few)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        if (block.page, block.language) == (page, "python"):
            exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), names)


YAML = [block for block in BLOCKS if block.language == "yaml"]


@pytest.mark.parametrize("block", YAML, ids=lambda block: f"{block.page}:{block.line}")
def test_yaml(block: Block, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = yaml.safe_load(block.text)
    if "configs" in document:
        assert main(["schema", "--study", "--json"]) == 0
        jsonschema.validate(document, json.loads(capsys.readouterr().out))
        assert all(len(configs_called(name)) == 1 for name in document["configs"])
        return
    part = "" if "model" in document else "\nmodel: {name: residual, width: 4, blocks: 1}\n"
    Path("block.yaml").write_text(block.text + part, encoding="utf-8")
    small = [word for key in ("crop", "side") if key in document["data"] for word in ("--set", f"data.{key}=16")]
    assert main(["train", "--config", "block.yaml", "--device", "cpu", "--dry-run", *small]) == 0


def test_the_error_on_the_page_is_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "model:",
        "  name: conv_autoencoder",
        "  channels: [8]",
        "  kernal: 3",
        *[""] * 8,
        "train:",
        "  epochs: many",
    ]
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert main(["train", "--config", "my.yaml"]) == 2
    assert capsys.readouterr().err in [block.text for block in BLOCKS if block.page == "train.md"]


# ------------------------------------------------------------------------------------ what is named


def test_there_is_something_to_run() -> None:
    assert len(COMMANDS) > 60 and sum(map(bool, COMMANDS.values())) < 16
    languages = {block.language for block in BLOCKS}
    assert languages == {"console", "python", "text", "yaml"}


def test_commands_that_are_not_run_name_what_exists() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in (command for command, why in COMMANDS.items() if why):
        words = command.split()
        if words[0] == "make":
            assert set(words[1:]) <= set(targets)
        elif words[0] == "python":
            script = (ROOT / words[1]).read_text()
            assert all(f'"{flag}"' in script for flag in words[2:] if flag.startswith("--"))


def flags_of(verb: str) -> set[str]:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"srae.cli.{verb}").add_arguments(parser)
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {flag for inner in action.choices.values() for flag in inner._option_string_actions}
    return found


FLAGS = {verb: flags_of(verb) for verb in VERBS}


def unknown_flags(span: str) -> list[str]:
    """Flags in inline code that the verb beside them, or without one any verb, does not know."""
    flags = re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
    words = [word for word in span.split() if "=" not in word or word.startswith("--")]
    program = words[0] if words else ""
    if program in PROGRAMS and len(words) > 1:
        verb = bare_arguments(words)[0]
        known = FLAGS.get(verb, set()) | {"--help", "--version"}
    elif program.startswith("--") or program in PROGRAMS:
        known = set().union(*FLAGS.values(), {"--version"})
    else:
        return []
    return [flag for flag in flags if flag not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_flags_and_configs_exist(page: Path) -> None:
    spans = code_spans(page.read_text(encoding="utf-8"))
    wrong = {span: flags for span in spans if (flags := unknown_flags(span))}
    assert not wrong
    verbs = [words[1] for span in spans if (words := span.split())[0] == "srae" and len(words) > 1]
    assert {verb for verb in verbs if verb.islower() and verb[0] != "-"} <= set(VERBS)
    configs = [span for span in spans if re.fullmatch(r"configs/[\w/*]+(\.yaml)?", span)]
    assert [span for span in configs if not configs_called(span)] == []


def test_the_table_of_configs_is_complete() -> None:
    section = (ROOT / "docs" / "train.md").read_text(encoding="utf-8").partition("## Shipped configs")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    patterns = [span for row in rows for span in code_spans(row.split(" | ")[0])]
    assert [pattern for pattern in patterns if not configs_called(pattern)] == []
    assert CONFIGS - {name for pattern in patterns for name in configs_called(pattern)} == set()


@pytest.mark.parametrize("page", [*PAGES, LOG, *RESULTS, *BESIDE], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            wrong.append(target)
    assert not wrong


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "results").glob("*.md")]
    assert [page.name for page in pages if f"({page.relative_to(ROOT).as_posix()}" not in readme] == []


@pytest.mark.parametrize("page", [*PAGES, *RESULTS, *BESIDE], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_one_word_a_thing(page: Path) -> None:
    """Plain terms of the field; what programs print and what code is called may have other names."""
    others = r"pictures?|copied features?|(?:low|high) sides?|equal to the bit|house|JPEG marks"
    text = re.sub(
        r"^```.*?^```$|`[^`\n]*`|\"[^\"]*\"", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert re.findall(rf"(?i).*\b(?:{others})\b.*", text) == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README


SOURCE = ROOT / "src" / "srae"


def test_the_architecture_page_names_every_module() -> None:
    """In a table per package, and nothing that is not there."""
    named: set[str] = set()
    package = ""
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if head := re.match(r"\| `(?:src/srae/|(\w+/))` \| what is there", line):
            package = head[1] or ""
        elif line.startswith("| `"):
            named |= {package + span for span in code_spans(line.split(" | ")[0]) if span.endswith(".py")}
    modules = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    with_a_table = {"__init__.py", "models/__init__.py", "data/__init__.py", "cli/__init__.py"}
    assert named == {name for name in modules if not name.endswith("/__init__.py") or name in with_a_table}


def test_a_column_of_a_run_is_explained() -> None:
    """All columns of metrics.csv, in their order."""
    section = (ROOT / "docs" / "train.md").read_text(encoding="utf-8").partition("### The columns of metrics.csv")[2]
    assert re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE) == list(COLUMNS)
