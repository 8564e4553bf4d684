"""Where runs are found: by path, by name, and inside studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import edit_summary, write_run
from refusals import refuses
from srae.checkpoints.shipped import resolve_model
from srae.cli import main
from srae.errors import ConfigError
from srae.runs.layout import find_run, find_runs


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, a study of two experiments, and one of two runs, of which one has the same name."""
    folder = tmp_path / "runs"
    write_run(folder / "alone", psnr=[20.0, 21.0])
    for name, psnr in (("relu-s0", 22.0), ("relu-s1", 24.0), ("tanh-s0", 23.0)):
        write_run(folder / "first" / name, psnr=[psnr, psnr])
    for name in ("tanh-s0", "sigmoid-s0"):
        write_run(folder / "second" / name)
    (folder / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    return folder


def test_runs_of_studies_are_listed_below_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    names = [line.split("  done")[0].rstrip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == ["alone", "first/", "  relu-s0", "  relu-s1", "  tanh-s0", "second/", "  sigmoid-s0", "  tanh-s0"]
    assert main(["runs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["study"] for row in rows] == [None, *["first"] * 3, *["second"] * 2]
    assert main(["runs", "--runs-dir", str(runs / "first"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_a_run_of_a_study_has_its_name_alone(runs: Path) -> None:
    for name, path in {"alone": "alone", "relu-s1": "first/relu-s1", "first/relu-s1": "first/relu-s1"}.items():
        assert find_run(name, runs) == runs / path == resolve_model(name, runs)
    assert find_runs("first", runs) == sorted((runs / "first").iterdir())
    for find in (find_run, resolve_model):
        with refuses(ConfigError, "tanh-s0", runs / "first" / "tanh-s0", runs / "second" / "tanh-s0"):
            find("tanh-s0", runs)
        with refuses(ConfigError, "sigmoid", "sigmoid-s0?"):
            find("sigmoid", runs)


def test_of_a_study_the_best_run_is_taken(runs: Path) -> None:
    said: list[str] = []
    assert resolve_model("first", runs, said.append) == runs / "first" / "relu-s1" and "relu-s1" in said[0]
    edit_summary(runs / "first" / "relu-s1", status="stopped")
    assert resolve_model("first", runs) == runs / "first" / "tanh-s0"
    edit_summary(runs / "first" / "relu-s0", data={"name": "toy", "fingerprint": "other"})
    with refuses(ConfigError, "first", "data"):
        resolve_model("first", runs)
    for run in (runs / "second").iterdir():
        edit_summary(run, status="stopped")
    with refuses(ConfigError, "second", "--resume"):
        resolve_model("second", runs)
