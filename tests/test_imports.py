"""The house rules that a machine can hold: who imports whom, sizes, and the name that is banned.

Change the table when the design changes, on purpose.
"""

from __future__ import annotations

import ast
import fnmatch
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import clean_environment, write_run
from srae.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "srae"
FILES = sorted(SOURCE.rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

# Module -> the modules of srae it may import; `x.*` is x and everything below it.
FLOORS = {
    "errors": set(),
    "metrics": set(),
    "yaml_text": {"errors"},
    "files": {"errors"},
    "device": {"__init__", "errors"},
    "decode": {"encode", "errors"},
    "bands": set(),
    "png": {"bands"},
    "jpeg": {"bands"},
    "encode": {"errors", "bands", "png", "jpeg"},
    "images": {"errors", "files", "decode", "encode"},
    "config": {"errors", "yaml_text"},
    "tasks": {"metrics", "errors"},
    "models.*": {"errors", "models.*"},
    "data.*": {"errors", "images", "files", "decode", "device", "data.*"},
    "runs": {"config", "errors", "files", "yaml_text"},
    "run_writer": {"config", "errors", "files", "runs"},
    "checkpoint": {"models.*", "config", "errors", "files"},
    "signals": {"errors"},
    "muon": set(),
    "optimizer": {"config", "errors", "muon"},
    "progress": set(),
    "checkpointer": {"checkpoint", "run_writer", "errors", "progress", "session"},
    "step": {"data.*", "device", "session", "tasks"},
    "prepare": {"*", "!cli.*", "!report.*", "!compare", "!study", "!stats", "!train"},
    "shipped": {"config", "runs", "errors"},
    "self_test": {"data.degrade", "images", "metrics", "errors"},
    "evaluate": {"data.*", "models.*", "tiles", "tasks", "metrics", "images", "device", "errors"},
    "narrate": set(),
    "session": {"config", "data.*", "device", "metrics", "models.*", "narrate", "optimizer", "progress", "tasks"},
    "train": {"*", "!cli.*", "!report.*", "!compare", "!study", "!stats"},
    "regions": {"images", "data.degrade"},
    "tiles": {"device", "errors", "regions"},
    "enlarge": {"checkpoint", "device", "encode", "errors", "images", "regions", "tiles"},
    "before_after": {"encode", "images", "regions"},
    "jobs": {"encode", "errors", "files", "images"},
    "batch": {
        "before_after",
        "checkpoint",
        "decode",
        "device",
        "encode",
        "enlarge",
        "errors",
        "images",
        "jobs",
        "tiles",
    },
    "api": {"checkpoint", "decode", "device", "encode", "enlarge", "shipped"},
    "stats": {"errors"},
    "scores": {"runs"},
    "compare": {"runs", "scores", "errors", "stats"},
    "study": {"runs", "narrate", "config", "errors", "files", "yaml_text"},
    "report.*": {"runs", "scores", "compare", "stats", "config", "errors", "files", "narrate", "report.*"},
    "cli.*": {"errors", "cli"},  # at the top of a module; inside functions anything, see below
    "__init__": {"api"},  # when it is first asked for
    "__main__": {"cli"},
}
# What reads run folders and configs must start fast and work on a machine without torch.
WITHOUT_TORCH = ("errors", "yaml_text", "config", "runs", "shipped", "scores", "cli", "files", "stats", "compare",
                 "study", "report")  # fmt: skip

MAX_LINES, MAX_FUNCTION_LINES = 350, 80
BANNED = "lr"  # could be the rate or the low-resolution picture
# The file and the text of a line that may hold it; any other line is a mistake.
EXCEPTIONS = {
    "optimizer.py": ('group["lr"]',),  # torch's own keyword
    "muon.py": ('{"lr": ', 'group["lr"]'),
    "layouts.py": ("_LOW_WORDS = ",),  # what folders are called on other people's disks
}


def name_of(file: Path) -> str:
    """``models/blocks.py`` -> ``models.blocks``; a package is called by its folder."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}


def matches(name: str, pattern: str) -> bool:
    return name == pattern.removesuffix(".*") or fnmatch.fnmatchcase(name, pattern)


def may_import(importer: str, imported: str) -> bool:
    rows = [allowed for pattern, allowed in FLOORS.items() if matches(importer, pattern)]
    assert len(rows) == 1, f"{importer} needs exactly one row in FLOORS, has {len(rows)}"
    refused = any(matches(imported, pattern[1:]) for pattern in rows[0] if pattern.startswith("!"))
    return not refused and any(matches(imported, pattern) for pattern in rows[0])


def find_imports(tree: ast.AST, *, into_functions: bool = True) -> Iterator[tuple[int, str]]:
    """(line, module of srae) of every import of srae, those under `if TYPE_CHECKING` too."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not into_functions:
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "srae":
                yield node.lineno, module_part(name.removeprefix("srae").removeprefix("."))


def module_part(name: str) -> str:
    """``config.load_config`` -> ``config``: imported names that are no modules count for their module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (candidate := ".".join(parts[:length])) in MODULES:
            return candidate
    return parts[0] if len(parts) > 1 else "__init__"


def test_there_is_something_to_check() -> None:
    assert {"errors", "config", "cli"} <= set(MODULES)


@pytest.mark.parametrize("importer", MODULES)
def test_a_module_imports_only_what_its_floor_allows(importer: str) -> None:
    tree = ast.parse(MODULES[importer].read_text())
    is_cli = matches(importer, "cli.*")
    # Types of a verb's helpers are named at the top, under TYPE_CHECKING, and cost nothing.
    guarded = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    wrong = [
        f"{importer}:{line} imports {imported}"
        for line, imported in find_imports(tree, into_functions=not is_cli)
        if not may_import(importer, imported) and not (is_cli and line in guarded)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_row_of_the_table_is_sane() -> None:
    for importer, allowed in FLOORS.items():
        assert importer not in allowed or importer.endswith(".*")
        for pattern in allowed:
            bare = pattern.removeprefix("!")
            assert bare == "*" or any(matches(bare.removesuffix(".*"), row) for row in FLOORS), f"{importer}: {pattern}"


def test_the_check_sees_what_it_must() -> None:
    tree = ast.parse(
        "from srae import train\nimport srae.models.blocks\ndef f():\n    from srae.config import load_config\n"
    )
    everything = sorted(find_imports(tree))
    assert [name for _, name in everything][1:] == [
        "models.blocks" if "models.blocks" in MODULES else "models",
        "config",
    ]
    assert len(list(find_imports(tree, into_functions=False))) == 2
    assert not may_import("models.unet", "config")
    assert not may_import("data.pairs", "models")
    assert not may_import("train", "cli.train")
    assert not may_import("train", "report.html")
    assert not may_import("enlarge", "data")
    assert may_import("train", "data.pairs")
    assert may_import("regions", "data.degrade")


# ------------------------------------------------------------------ what a start costs


def loaded_by(*arguments: str, whole: bool = False) -> set[str]:
    """Top-level packages, or `whole` names, in sys.modules after `python` ran with these arguments."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    assert done.returncode == 0, said
    lines = [line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 20
    return set(lines) if whole else {name.split(".")[0] for name in lines}


def test_what_reads_runs_and_configs_does_not_import_torch() -> None:
    present = [f"srae.{name}" for name in WITHOUT_TORCH if find_spec(f"srae.{name}")]
    loaded = loaded_by("-c", f"import srae, {', '.join(present)}")
    assert "pydantic" in loaded  # the measurement works
    assert not loaded & {"torch", "torchvision", "safetensors", "skimage"}


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("runs", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by("-m", "srae", *arguments)
    assert "srae" in loaded
    heavy = loaded & {
        "torch",
        "torchvision",
        "numpy",
        "scipy",
        "skimage",
        "matplotlib",
        "PIL",
        "pydantic",
        "yaml",
        "jinja2",
    }
    assert not heavy


def test_comparing_runs_imports_what_it_needs(tmp_path: Path) -> None:
    psnr = [30 + i % 7 / 10 for i in range(60)]
    runs = [write_run(tmp_path / f"r{k}", width=8 + k, psnr=psnr[k:] + psnr[:k]) for k in (0, 3)]
    loaded = loaded_by("-m", "srae", "compare", *map(str, runs), whole=True)
    assert "srae.stats" in loaded
    # scipy.stats alone is two thirds of a second.
    assert not loaded & {"torch", "matplotlib", "skimage", "PIL", "scipy.stats"}


def test_huge_pages_are_asked_for_unless_the_user_says_otherwise() -> None:
    show = "import os, srae.device; print(os.environ['THP_MEM_ALLOC_ENABLE'])"
    for given, wanted in (({}, "1"), ({"THP_MEM_ALLOC_ENABLE": "0"}, "0")):
        done = subprocess.run(
            [sys.executable, "-c", show], env=clean_environment(**given), capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == wanted, done.stderr


def test_listing_runs_does_not_import_torch() -> None:
    assert not loaded_by("-m", "srae", "runs", "--runs-dir", "no-such-folder") & {"torch", "numpy", "PIL"}


# ------------------------------------------------------------------ sizes and names


def test_no_file_is_too_long() -> None:
    long = {name: count for name, file in MODULES.items() if (count := len(file.read_text().splitlines())) > MAX_LINES}
    assert not long, f"more than {MAX_LINES} lines: {long}"


def test_no_function_is_too_long() -> None:
    long = [
        f"{name}:{node.lineno} {node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for name, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {part for name in MODULES for part in name.split(".")} & {
        "utils",
        "helpers",
        "common",
        "base",
        "manager",
    }


def banned_lines(file: Path) -> list[str]:
    """Lines of a source file where the banned name is an identifier or a whole string."""
    text = file.read_text()
    names = {t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.string == BANNED}
    keys = {n.lineno for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and n.value == BANNED}
    lines = text.splitlines()
    allowed = EXCEPTIONS.get(file.name, ())
    return [
        f"{file.name}:{number}: {lines[number - 1].strip()}"
        for number in sorted(names | keys)
        if not any(keyword in lines[number - 1] for keyword in allowed)
    ]


def test_the_banned_name_is_nowhere_in_the_source() -> None:
    assert not [line for file in FILES for line in banned_lines(file)]


def test_the_banned_name_is_found_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('lr = 1\nx = {"lr": 2}\nf(lr=3)\ncolr = "the lr word"  # lr\n')
    assert [line.split(":")[1] for line in banned_lines(file)] == ["1", "2", "3"]


def test_the_banned_name_is_no_key_of_a_config() -> None:
    for file in CONFIGS:
        _, lines, _ = parse_yaml(file.read_text(), file.name)
        assert not [key for key in lines if BANNED in key], file.name
