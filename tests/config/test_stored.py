"""Run folders and checkpoints of srae 0.1.0 hold the keys of all data sets: they load, resume and compare as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from refusals import refuses
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model
from srae.cli import main
from srae.config.data_section import read_section
from srae.config.data_sets import sections_by_name
from srae.config.loading import parse_config
from srae.config.stored import upgrade_stored
from srae.config.yaml_text import dump_yaml, parse_yaml
from srae.errors import ConfigError
from srae.runs.reader import read_config, read_run

# In the order of 0.1.0, with its defaults.
OLD: dict[str, Any] = {
    "name": "pairs", "folder": None, "low": None, "high": None, "otherwise": None, "channels": "RGB", "degrade": None,
    "enlarge": None, "crop": None, "crops_per_picture": 1, "augment": [], "test_from_val": 0.0, "limit": None,
    "target": "label", "val_count": 5000, "side": None, "per_class": None,
}  # fmt: skip
DEGRADE = {"kernel": "photo", "scale": 2, "copies": 3, "sizes": [0.5]}


def stored(**data: Any) -> dict[str, Any]:
    return {"task": "super_resolution", "model": {"name": "identity"}, "data": OLD | data, "train": {}, "seed": 0}


def eight_bits(name: str) -> dict[str, Any]:
    """What a section says today that was the only way then."""
    return {"bits": 8} if "bits" in sections_by_name()[name].model_fields else {}


def parse(config: dict[str, Any], **how: bool) -> Any:
    return parse_config(dump_yaml(config), "config.yaml", **how).data


@pytest.mark.parametrize("name", sections_by_name())
def test_what_was_written_out_is_read_in_run_folders_alone(name: str) -> None:
    old = stored(name=name)
    assert parse(old, stored=True) == read_section({"name": name} | eight_bits(name))
    with pytest.raises(ConfigError):
        parse(old)


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ({"degrade": DEGRADE, "crop": 96}, {"degrade": DEGRADE, "crop": 96}),
        # `--set data.name=demo` on a config of pairs: none of these did anything
        ({"name": "demo", "otherwise": "demo", "test_from_val": 0.3, "folder": "x"}, {"name": "demo"}),
        ({"name": "mnist", "enlarge": "bilinear", "low": "a"}, {"name": "mnist"}),
        ({"augment": ["flip", "rotate", "flip"]}, {"augment": ["flip", "rotate"]}),
        # `--data x` on a config with two folders
        ({"folder": "x", "low": "a", "high": "b"}, {"folder": "x"}),
        ({"low": "a", "high": "b"}, {"low": "a", "high": "b"}),
        ({"low": "a", "high": "b", "degrade": DEGRADE}, {"folder": "b", "degrade": DEGRADE}),
    ],
)
def test_what_had_no_effect_is_dropped(old: dict[str, Any], today: dict[str, Any]) -> None:
    assert parse(stored(**old), stored=True) == read_section(today | eight_bits(today.get("name", "pairs")))
    once = upgrade_stored(stored(**old))
    assert upgrade_stored(once) == once
    new = [key for key in read_section(today).model_dump() if key in OLD or key in eight_bits("pairs")]
    assert list(once["data"]) == new, "in the order of new runs"


@pytest.mark.parametrize("odd", [None, [], 3, {}, {"data": 3}, {"data": {"name": []}}, {"data": {"name": "gone"}}])
def test_what_is_no_config_comes_back_as_it_is(odd: Any) -> None:
    assert upgrade_stored(odd) is odd


def test_a_mistake_stays_one() -> None:
    for wrong in ({"foldr": "x"}, {"crop": 1}, {"augment": [[]]}, {"augment": ["fly"]}):
        with refuses(ConfigError, f"data.{next(iter(wrong))}"):
            parse(stored(**wrong), stored=True)


def test_an_old_run_goes_on_is_scored_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "model: {name: residual, width: 4, blocks: 1}\ndata: {name: demo, limit: 2, crop: 16}\n"
        "train: {epochs: 1, batch_size: 2}\n"
    )
    Path("toy.yaml").write_text(text)
    for name, seed in (("old", "0"), ("new", "1")):
        command = ["train", "--config", "toy.yaml", "--name", name, "--set", f"seed={seed}", "--device", "cpu"]
        assert main(command) == 0
    old = Path("runs/old")
    for path in old.rglob("*.safetensors"):
        tensors, meta = read_checkpoint(path)
        meta["config"]["data"] = OLD | meta["config"]["data"]
        save_checkpoint(path, tensors, meta, None)
    config = parse_yaml((old / "config.yaml").read_text(), "old")[0]
    new = read_config(old)
    (old / "config.yaml").write_text(dump_yaml({**config, "data": OLD | config["data"] | {"otherwise": "demo"}}))
    fingerprint = json.loads((old / "summary.json").read_text())["data"]["fingerprint"]

    assert read_config(old) == new == load_model(old).config
    texts = {name: repr({**(read_run(Path("runs", name)).config or {}), "seed": None}) for name in ("old", "new")}
    assert texts["old"] == texts["new"], "seeds of one experiment"
    assert main(["eval", "--model", "old", "--device", "cpu"]) == 0
    assert main(["train", "--resume", "old", "--set", "train.epochs=2", "--device", "cpu"]) == 0
    summary = json.loads((old / "summary.json").read_text())
    assert (summary["epochs"], summary["data"]["fingerprint"]) == (2, fingerprint)
    capsys.readouterr()
