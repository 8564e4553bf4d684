"""Child processes of tests run this checkout, whatever srae is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SOURCE, clean_environment

TESTS = Path(__file__).parent


def other_environments(tree: ast.AST) -> list[int]:
    """Lines of calls that hand an environment to a process which is neither the tests' own nor `conftest`'s."""
    return [
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("subprocess.run", "subprocess.Popen")
        for word in call.keywords
        if word.arg == "env" and "clean_environment(" not in ast.unparse(word.value)
    ]


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.py")), ids=lambda file: file.name)
def test_every_child_gets_the_environment_of_this_checkout(file: Path) -> None:
    assert other_environments(ast.parse(file.read_text(encoding="utf-8"))) == []


def test_the_check_sees_what_it_must() -> None:
    calls = "import subprocess\nsubprocess.run(['a'], env={})\nsubprocess.run(['a'], env=clean_environment())"
    assert other_environments(ast.parse(calls)) == [2]


def test_both_environments_run_this_checkout_wherever_they_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import srae; print(srae.__file__)"]
    done = [
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True),
        subprocess.run(
            command, cwd=tmp_path, env=clean_environment(PYTHONPATH=str(tmp_path)), capture_output=True, text=True,
            check=True,
        ),
    ]  # fmt: skip
    assert [Path(child.stdout.strip()).parents[1] for child in done] == [SOURCE] * 2
