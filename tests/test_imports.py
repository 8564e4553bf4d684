"""The conventions that a machine can hold: who imports whom, sizes, and the name that is banned.

Change the table when the design changes, on purpose.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from builders import write_run
from conftest import clean_environment
from one_process import run_python
from srae.config.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "srae"
FILES = sorted(SOURCE.rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

# Package (or module beside the packages) -> what else of srae it may import.  Lowest first: a row names rows above it.
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "memory": {"errors"},
    "device": {"errors", "files", "memory"},
    "distributed": {"errors", "device"},
    "config": {"errors", "files"},
    "models": {"errors"},
    "images": {"errors", "files"},
    "rendering": {"errors"},
    "runs": {"errors", "files", "config"},
    "data": {"errors", "files", "device", "config", "images", "rendering", "runs"},
    "checkpoints": {"errors", "files", "config", "models", "runs"},
    "analysis": {"errors", "config", "runs"},
    "studies": {"errors", "files", "config", "runs"},
    "report": {"errors", "files", "config", "images", "runs", "analysis"},  # of images what needs no torch
    "export": {"errors", "files", "config", "models", "runs", "checkpoints"},
    "upscaling": {"errors", "files", "memory", "device", "images", "checkpoints", "export"},
    "demo_page": {"errors", "files", "memory", "images", "runs", "checkpoints", "report", "upscaling"},
    "evaluation": {
        "errors",
        "files",
        "device",
        "config",
        "models",
        "images",
        "runs",
        "data",
        "checkpoints",
        "analysis",
        "export",
        "upscaling",
        "distributed",
    },
    "training": {
        "errors",
        "files",
        "device",
        "distributed",
        "config",
        "models",
        "images",
        "runs",
        "data",
        "checkpoints",
        "report",
        "evaluation",
    },  # of report the curves of the run that ends
    "diagnostics": {
        "errors",
        "files",
        "memory",
        "device",
        "config",
        "images",
        "runs",
        "data",
        "checkpoints",
        "upscaling",
        "distributed",
    },
    "cli": {"errors"},  # at the top of a module; inside functions anything, see below
    "__init__": {"runs", "upscaling", "evaluation", "training"},  # when it is first asked for
    "__main__": {"cli"},
}
# What reads run folders and configs must start fast and work on a machine without torch.
WITHOUT_TORCH = (
    "errors", "files", "memory", "config", "images", "rendering", "runs", "checkpoints.facts", "checkpoints.shipped",
    "checkpoints.foreign", "checkpoints.foreign_onnx", "checkpoints.probing", "checkpoints.remembered", "analysis",
    "studies", "report", "upscaling", "export.probe", "demo_page", "diagnostics", "cli",
)  # fmt: skip
# Of these packages, what is about torch.
WITH_TORCH = {"images.tensors", "upscaling.backends.torch"}
# What needs libraries that not everybody has installed.
EXTRAS = {"upscaling.backends.openvino", "upscaling.backends.onnxruntime", "demo_page.server"}
# Packages whose `__init__` holds their table; every other one is two sentences and no code.
WITH_A_TABLE = {"models", "data", "cli", "upscaling.backends", "__init__"}

MAX_LINES, MAX_FUNCTION_LINES, MAX_POSITIONAL = 350, 80, 5
BANNED = "lr"  # could be the rate or the low-resolution image
# The file and the text of a line that may hold it; any other line is a mistake.
EXCEPTIONS = {
    "optimizer.py": ('group["lr"]',),  # torch's own keyword
    "muon.py": ('{"lr": ', 'group["lr"]'),
    "naming.py": ("_LOW_WORDS, ",),  # what folders are called on other people's disks
}


def name_of(file: Path) -> str:
    """``models/blocks.py`` -> ``models.blocks``; a package is called by its folder."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in FILES}


@functools.cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Where each function of srae stands, and the function."""
    for name, file in MODULES.items():
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.lineno} {node.name}", node


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def may_import(importer: str, imported: str) -> bool:
    own, other = importer.split(".")[0], imported.split(".")[0]
    assert own in LAYERS, f"{importer} needs a row in LAYERS"
    return other == own or other in LAYERS[own]


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
            if name.split(".")[0] == "srae" and name != "srae.__version__":  # the version stands in srae itself
                yield node.lineno, module_part(name.removeprefix("srae").removeprefix("."))


def module_part(name: str) -> str:
    """``models.MODELS`` -> ``models``: imported names that are no modules count for their module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (candidate := ".".join(parts[:length])) in MODULES:
            return candidate
    return parts[0] if len(parts) > 1 else "__init__"


def test_there_is_something_to_check() -> None:
    assert {"errors", "config", "cli"} <= set(MODULES)


@pytest.mark.parametrize("importer", MODULES)
def test_a_module_imports_only_what_its_layer_allows(importer: str) -> None:
    tree = tree_of(MODULES[importer])
    is_cli = is_within(importer, "cli")
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


def test_every_row_of_the_table_names_rows_above_it() -> None:
    assert set(LAYERS) == {name.split(".")[0] for name in MODULES}
    above: set[str] = set()
    for package, allowed in LAYERS.items():
        assert allowed <= above, f"{package}: {sorted(allowed - above)}"
        above.add(package)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {imported for _, imported in find_imports(tree_of(file))} - {name} for name, file in MODULES.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", sorted({file.parent for file in FILES}))
def test_a_package_says_what_lives_there_and_holds_no_code(package: Path) -> None:
    tree = tree_of(package / "__init__.py")
    assert ast.get_docstring(tree)
    assert name_of(package / "__init__.py") in WITH_A_TABLE or len(tree.body) == 1


def test_the_check_sees_what_it_must() -> None:
    tree = ast.parse(
        "from srae.training import loop\nimport srae.models.blocks\ndef f():\n"
        "    from srae.config.loading import load_config\n"
    )
    assert sorted(name for _, name in find_imports(tree)) == ["config.loading", "models.blocks", "training.loop"]
    assert len(list(find_imports(tree, into_functions=False))) == 2
    assert not may_import("models.unet", "config.experiment")
    assert not may_import("data.pairs", "models")
    assert not may_import("training.loop", "cli.train")
    assert not may_import("evaluation.score", "report.html")
    assert not may_import("upscaling.enlarge", "data")
    assert may_import("training.loop", "data.pairs")
    assert may_import("upscaling.regions", "images.resample")


# ------------------------------------------------------------------ what a start costs


def loaded_by(*arguments: str, whole: bool = False) -> set[str]:
    """Top-level packages, or `whole` names, in sys.modules after `python` ran with these arguments."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
    said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    assert done.returncode == 0, said
    lines = [line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 20
    return set(lines) if whole else {name.split(".")[0] for name in lines}


def test_what_reads_runs_and_configs_does_not_import_torch() -> None:
    present = [f"srae.{name}" for name in MODULES if any(is_within(name, package) for package in WITHOUT_TORCH)]
    present = [name for name in present if name.removeprefix("srae.") not in WITH_TORCH | EXTRAS]
    assert len(present) > 30
    loaded = loaded_by("-c", f"import srae, {', '.join(present)}")
    assert "pydantic" in loaded  # the measurement works
    assert not loaded & {"torch", "torchvision", "safetensors", "skimage"}


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("runs", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by("-m", "srae", *arguments)
    assert "srae" in loaded
    heavy = "torch torchvision numpy scipy skimage matplotlib PIL pydantic yaml jinja2"
    assert not loaded & set(heavy.split())


def test_comparing_runs_imports_what_it_needs(tmp_path: Path) -> None:
    psnr = [30 + i % 7 / 10 for i in range(60)]
    runs = [write_run(tmp_path / f"r{k}", width=8 + k, psnr=psnr[k:] + psnr[:k]) for k in (0, 3)]
    loaded = loaded_by("-m", "srae", "compare", *map(str, runs), whole=True)
    assert "srae.analysis.stats" in loaded
    # scipy.stats alone is two thirds of a second.
    assert not loaded & {"torch", "matplotlib", "skimage", "PIL", "scipy.stats"}


def test_commands_ask_for_huge_pages_unless_the_user_says_otherwise_and_the_library_leaves_them_alone() -> None:
    command = "from srae.cli import main; main(['runs'])"
    for code, given, wanted in (
        (command, {}, "1"),
        (command, {"THP_MEM_ALLOC_ENABLE": "0"}, "0"),
        ("import srae.upscaling.api, srae.training.prepare", {}, "None"),
    ):
        done = run_python(f"import os; {code}; print(os.environ.get('THP_MEM_ALLOC_ENABLE'))", **given)
        assert done.stdout.split()[-1] == wanted, done.stderr


def test_listing_runs_does_not_import_torch() -> None:
    assert not loaded_by("-m", "srae", "runs", "--runs-dir", "no-such-folder") & {"torch", "numpy", "PIL"}


# ------------------------------------------------------------------ sizes and names


def test_no_file_is_too_long() -> None:
    long = {name: count for name, file in MODULES.items() if (count := len(file.read_text().splitlines())) > MAX_LINES}
    assert not long, f"more than {MAX_LINES} lines: {long}"


def test_no_function_is_too_long() -> None:
    lengths = {place: (function.end_lineno or 0) - function.lineno + 1 for place, function in functions()}
    assert not {place: length for place, length in lengths.items() if length > MAX_FUNCTION_LINES}


def positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])


def test_no_function_has_too_many_positional_parameters() -> None:
    assert not [place for place, function in functions() if positional(function) > MAX_POSITIONAL]


def test_no_file_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "helpers", "common", "base", "manager"}
    assert not {part for name in MODULES for part in name.split(".")} & nothing


def banned_lines(file: Path) -> list[str]:
    """Lines of a source file where the banned name is an identifier or a whole string."""
    text = file.read_text()
    if not re.search(rf"\b{BANNED}\b", text):
        return []
    names = {t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.string == BANNED}
    keys = {n.lineno for n in ast.walk(tree_of(file)) if isinstance(n, ast.Constant) and n.value == BANNED}
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
