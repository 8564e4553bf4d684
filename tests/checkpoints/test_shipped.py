"""Which model a name or a scale means."""

from __future__ import annotations

from pathlib import Path

import pytest

from refusals import refuses
from srae.checkpoints import shipped
from srae.checkpoints.shipped import default_models, resolve_model, shipped_models
from srae.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in ("x2", "x3", "tiny"):
        (weights / f"{name}.safetensors").touch()
    monkeypatch.setattr(shipped, "FOLDER", weights)
    monkeypatch.chdir(tmp_path)
    return weights


def test_own_files_and_runs_come_before_shipped_models(folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert list(shipped_models()) == ["tiny", "x2", "x3"]
    assert resolve_model("x2", runs) == folder / "x2.safetensors"
    (runs / "x2").mkdir(parents=True)
    assert resolve_model("x2", runs) == folder / "x2.safetensors", "a folder that is no run"
    (runs / "x2" / "config.yaml").touch()
    said: list[str] = []
    assert resolve_model("x2", runs, said.append) == runs / "x2"
    assert "shipped:x2" in said[0]
    assert resolve_model("shipped:x2", runs) == folder / "x2.safetensors"
    (tmp_path / "x2").touch()
    assert resolve_model("x2", runs) == Path("x2")


def test_an_unknown_model_gets_a_suggestion(folder: Path, tmp_path: Path) -> None:
    with refuses(ConfigError, "tinny", "tiny?"):
        resolve_model("tinny", tmp_path / "runs")
    with refuses(ConfigError, "zebra", "tiny, x2, x3"):
        resolve_model("zebra", tmp_path / "runs")


@pytest.mark.parametrize(
    ("scale", "names"),
    [(None, ["x2"]), (1, ["p"]), (2, ["x2"]), (3, ["x3"]), (4, ["x4"]), (6, ["x3", "x2"]), (8, ["x4", "x2"])],
)
def test_a_scale_is_one_model_or_several_in_a_row(folder: Path, scale: int | None, names: list[str]) -> None:
    assert [path.stem for path in default_models(scale)] == names


@pytest.mark.parametrize("scale", [0, 5, 9])
def test_a_scale_that_nothing_reaches_is_refused(folder: Path, scale: int) -> None:
    with refuses(ConfigError, scale, "1, 2, 3, 4, 6, 8"):
        default_models(scale)
