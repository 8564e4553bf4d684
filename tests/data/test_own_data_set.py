"""A data set of one's own: a section, an opener, a line in each table; train, eval, schema and --data then know it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from refusals import refuses
from srae.cli import main
from srae.config import data_sets
from srae.config.data_sets import DataConfig, FolderConfig, ImagesConfig
from srae.config.degrade import Degrade
from srae.config.json_schema import describe_schema
from srae.config.loading import parse_config
from srae.data import OPENERS, Data, Split, open_data
from srae.data.contract import sample_shapes, take_fingerprint
from srae.data.degrade import make_low
from srae.data.store import Shelf
from srae.errors import ConfigError
from srae.training.config_schema import build_schema


class ArraysConfig(ImagesConfig, FolderConfig):
    name: Literal["arrays"] = "arrays"
    """Images in an .npz file, an array per split."""
    times: int = 1
    """How often the training images are repeated."""


class NothingConfig(DataConfig):
    name: Literal["nothing"] = "nothing"
    """Needs no folder, and has no images either."""


def open_arrays(section: ArraysConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    assert section.folder and section.degrade
    splits, rows = {}, []
    for split, pixels in np.load(section.folder).items():
        pixels = np.concatenate([pixels] * (section.times if split == "train" else 1))
        low, high = Shelf(len(pixels)), Shelf(len(pixels))
        for index, image in enumerate(pixels):
            low.put(index, make_low(image, section.degrade.kernel, section.degrade.scale))
            high.put(index, image)
            rows.append((split, str(index), hashlib.sha256(image.tobytes()).hexdigest()))
        splits[split] = Split(low.to_store(), high.to_store(), [str(i) for i in range(len(pixels))])
    in_shape, out_shape = sample_shapes(splits["train"], None if for_scoring else section.crop)
    print_of = take_fingerprint(rows, section.degrade.kernel)
    return Data("arrays", splits["train"], splits["val"], None, in_shape, out_shape, print_of)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_sets, "SECTIONS", [*data_sets.SECTIONS, ArraysConfig, NothingConfig])
    monkeypatch.setitem(OPENERS, ArraysConfig, open_arrays)
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        arrays = {split: random.integers(0, 256, (3, 24, 24, 3), dtype=np.uint8) for split in ("train", "val")}
        np.savez(f"{name}.npz", **arrays)
    Path("photos").mkdir()
    for i in range(4):
        Image.fromarray(random.integers(0, 256, (20, 20 + 2 * i, 3), dtype=np.uint8)).save(f"photos/{i}.png")
    Path("toy.yaml").write_text(
        "model: {name: bicubic}\ndata: {name: arrays, folder: a.npz, times: 2, degrade: {scale: 2}, crop: 16}\n"
    )


def test_its_keys_are_checked_as_any_others() -> None:
    assert parse_config(Path("toy.yaml").read_text(), "toy").data == ArraysConfig.model_validate(
        {"folder": "a.npz", "times": 2, "degrade": {"scale": 2}, "crop": 16}
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{name: arrays, tims: 2}", "times?"),
        ("{name: arrays, side: 8}", "class_folders"),
        ("{name: array}", "arrays?"),
        ("{times: 2}", "arrays"),
    ],
)
def test_its_name_and_keys_are_told_as_any_others(data: str, said: str) -> None:
    with refuses(ConfigError, "toy:2: data", said):
        parse_config(f"model: {{name: bicubic}}\ndata: {data}", "toy")


def test_it_is_trained_on_and_scored_on_its_own_images_and_on_a_folder_of_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--config", "toy.yaml", "--device", "cpu"]) == 0
    summary = json.loads(Path("runs/toy/summary.json").read_text())
    capsys.readouterr()
    found = {}
    for name, options in {"own": [], "photos": ["--data", "photos", "--scale", "2"]}.items():
        assert main(["eval", "--model", "toy", "--device", "cpu", "--json", *options]) == 0
        found[name] = json.loads(capsys.readouterr().out)
    assert found["own"]["val"] == summary["val"]
    assert found["own"]["data"]["fingerprint"] == summary["data"]["fingerprint"]
    assert (found["photos"]["data"]["name"], found["photos"]["data"]["counts"]) == ("photos", {"val": 4})


def test_data_names_another_file_of_it() -> None:
    assert main(["train", "--config", "toy.yaml", "--data", "b.npz", "--device", "cpu"]) == 0
    assert "folder: b.npz" in Path("runs/toy/config.yaml").read_text()
    first, second = (
        open_data(ArraysConfig(folder=f"{name}.npz", times=2, degrade=Degrade())).fingerprint for name in "ab"
    )
    assert json.loads(Path("runs/toy/summary.json").read_text())["data"]["fingerprint"] == second != first


@pytest.mark.parametrize("name", ["demo", "nothing"])
def test_data_is_refused_where_the_data_set_takes_no_folder(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(f"model: {{name: bicubic}}\ndata: {{name: {name}}}\n")
    assert main(["train", "--config", "other.yaml", "--data", "photos", "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert "--data photos" in told and "arrays" in told and len(told.splitlines()) == 3
    assert not Path("runs").exists()


def test_the_schema_knows_it() -> None:
    schema = build_schema()
    assert "times" in schema["$defs"]["ArraysConfig"]["properties"]
    assert {"arrays", "nothing"} <= set(schema["$defs"]["DataConfig"]["properties"]["name"]["enum"])
    assert any(line.startswith("data.times") for line in describe_schema(schema))
