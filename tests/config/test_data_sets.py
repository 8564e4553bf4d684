"""The `data` section: whose key is whose; what has no effect is refused; a value is kept or told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refusals import refuses
from srae.config.data_section import read_section
from srae.config.data_sets import (
    SECTIONS,
    ClassFoldersConfig,
    DataConfig,
    DemoConfig,
    ImagesConfig,
    PairsConfig,
    TorchvisionConfig,
    names_of,
    sections_by_name,
    who_knows,
)
from srae.config.degrade import Degrade
from srae.config.experiment import Config
from srae.config.loading import parse_config
from srae.config.yaml_text import dump_yaml
from srae.data import OPENERS, open_data, train_batches
from srae.data.labelled import READERS
from srae.errors import ConfigError, SraeError

MODEL = "model: {name: identity}\n"
NAMES = list(sections_by_name())


def parse(data: str, *overrides: str) -> Any:
    return parse_config(f"{MODEL}data: {data}\n", "a.yaml", overrides).data


def refusal(data: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(data, *overrides)
    assert caught.value.exit_code == 2 and caught.value.remedy
    return str(caught.value.where)


def test_every_section_has_its_opener_and_every_name_its_section() -> None:
    assert set(OPENERS) == set(SECTIONS)
    assert set(READERS) == set(names_of(TorchvisionConfig))
    assert len(NAMES) == sum(len(names_of(section)) for section in SECTIONS), "two sections of one name"


def test_a_key_stands_once_in_the_code() -> None:
    """What several data sets have is inherited; written again is only what is narrowed."""
    classes = {kind for section in SECTIONS for kind in section.__mro__ if issubclass(kind, DataConfig)}
    written = Counter(key for kind in classes for key in get_annotations(kind))
    assert {key for key, count in written.items() if count > 1} == {"name", "channels"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("{}", PairsConfig),
        ("{name: demo}", DemoConfig),
        ("{name: class_folders}", ClassFoldersConfig),
        *((f"{{name: {name}}}", TorchvisionConfig) for name in names_of(TorchvisionConfig)),
    ],
)
def test_the_name_picks_the_section(data: str, kind: type[DataConfig]) -> None:
    section = parse(data)
    assert type(section) is kind
    assert Config.model_validate({"model": {"name": "identity"}, "data": section}).data is section
    with pytest.raises(ValueError):
        section.limit = 3


def test_degrade_is_typed_to_the_end() -> None:
    assert parse("{degrade: {kernel: area}}").degrade == Degrade(kernel="area")


@pytest.mark.parametrize(("name", "guess"), [("dmeo", "demo"), ("pears", "pairs"), ("MNIST", "mnist"), ("3", "")])
def test_an_unknown_name_is_told_with_its_line(name: str, guess: str) -> None:
    told = refusal(f"{{name: {name}}}")
    assert told.startswith("a.yaml:2: data.name: ") and (f"{guess}?" in told or not guess)
    assert refusal("{}", f"data.name={name}").startswith(f"--set data.name={name}: data.name: ")


@pytest.mark.parametrize("name", NAMES)
def test_a_key_of_another_data_set_is_refused_with_those_that_know_it(name: str) -> None:
    own = sections_by_name()[name].model_fields
    foreign = {key for section in SECTIONS for key in section.model_fields} - set(own)
    assert foreign
    for key in foreign:
        told = refusal(f"{{name: {name}, {key}: null}}")
        assert f"data.{key}: " in told and all(other in told for other in who_knows(key))


def test_a_misspelt_key_is_told_beside_everything_else_that_is_wrong() -> None:
    told = refusal("{side: 3, foldr: x, crop: 1, degrade: {scal: 2}}").splitlines()
    assert sorted(line.split(": ")[1] for line in told) == ["data.crop", "data.degrade.scal", "data.foldr", "data.side"]
    assert "folder?" in "".join(told) and "scale?" in "".join(told)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ("{augment: [flip, rotate, flip]}", "flip"),
        ("{name: mnist, augment: [tilt, tilt]}", "tilt"),
        ("{augment: [tilt]}", "tilt"),
        ("{name: demo, augment: [tilt]}", "tilt"),
        ("{name: mnist, target: input, augment: [tilt]}", "tilt"),
        ("{folder: a, low: b, high: c}", "low"),
        ("{low: b}", "high"),
        ("{low: b, high: c, degrade: {}}", "low"),
        ("{otherwise: demo}", "otherwise"),
        ("{name: class_folders, otherwise: demo}", "otherwise"),
        ("{crops_per_picture: 2}", "crops_per_picture"),
        ("{degrade: {copies: 2}}", "copies"),
        ("{name: mnist, channels: RGBA}", "channels"),
        ("{name: class_folders, test_from_val: 0.1}", "test_from_val"),  # it has a test split of its own
    ],
)
def test_what_can_have_no_effect_is_refused(data: str, key: str) -> None:
    assert key in refusal(data).partition("data")[2]


@pytest.mark.parametrize(
    "data", ["{low: a, high: b, otherwise: demo}", "{name: mnist, otherwise: demo}", "{folder: a, enlarge: bilinear}"]
)
def test_what_has_an_effect_is_not(data: str) -> None:
    parse(data)


def test_an_override_of_the_name_takes_the_files_keys_of_the_old_data_set_with_it() -> None:
    file = "{folder: x, otherwise: demo, test_from_val: 0.3, enlarge: bilinear, limit: 2}"
    assert parse(file, "data.name=demo") == DemoConfig(enlarge="bilinear", limit=2)
    assert parse(file, "data={name: demo}") == DemoConfig()
    assert "--set data.folder=y: data.folder: " in refusal(file, "data.name=demo", "data.folder=y")
    assert "data.limt" in refusal("{limt: 2}", "data.name=demo")


# ------------------------------------------------------------------ where --data and --scale lead


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_taken_by_those_that_have_one(name: str) -> None:
    section = read_section({"name": name})
    if "folder" not in type(section).model_fields:
        with refuses(ConfigError, "--data", "pairs"):
            section.at("there")
    else:
        assert section.at("there") == read_section({"name": name, "folder": "there"})
    scored = read_section({"name": name, "limit": 3}).to_score("there")
    images = isinstance(section, ImagesConfig)
    assert scored == read_section({"name": "pairs" if images else name, "folder": "there"})
    if images:
        assert section.degraded(Degrade(scale=3)) == read_section({"name": name, "degrade": {"scale": 3}})
    else:
        with refuses(ConfigError, name):
            section.degraded(Degrade())


def test_a_folder_replaces_two_folders_and_what_stands_in_for_them() -> None:
    assert parse("{low: a, high: b, otherwise: demo, crop: 8}").at("c") == PairsConfig(folder="c", crop=8)
    trained = parse("{folder: a, degrade: {}, crop: 8, test_from_val: 0.1, enlarge: bicubic, channels: L}")
    assert trained.to_score("c") == PairsConfig(folder="c", enlarge="bicubic", channels="L")


# ------------------------------------------------------------------ every field, every kind of wrong value


def bounds(section: type[DataConfig], key: str) -> Iterator[float]:
    """The values at the limits of a field, and one beyond."""
    for rule in _schemas(section.model_json_schema()["properties"][key]):
        for bound in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
            if bound in rule:
                yield from (rule[bound] - 1, rule[bound], rule[bound] + 1)


def _schemas(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield rule
    for part in [*rule.get("anyOf", []), *([rule["items"]] if "items" in rule else [])]:
        yield from _schemas(part)


TEXTS = ["text", "\0", "x" * 5000, "~nobody/x"]
VALUES = [0, -1, 0.5, -0.5, 10**30, 1e300, math.nan, math.inf, True, *TEXTS, [], [[]], {}, {"a": 1}, None]
FIELDS = [(name, key) for name, section in sections_by_name().items() for key in section.model_fields]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for place in ("pairs/train/low", "pairs/train/high", "pairs/val/low", "pairs/val/high", "kinds/a", "kinds/b"):
        (root / place).mkdir(parents=True)
        for i in range(4):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / place / f"{i}.png")
    return {"pairs": str(root / "pairs"), "class_folders": str(root / "kinds")}


def parsed(keys: dict[str, Any]) -> DataConfig | str:
    """The section, or where it is wrong and why."""
    try:
        return parse_config(dump_yaml({"model": {"name": "identity"}, "data": keys}), "a.yaml").data
    except ConfigError as error:
        return str(error.where)


def opened(section: DataConfig) -> str | None:
    """Where the first batch fails; None where it comes."""
    try:
        train = open_data(section).train
        next(train_batches(train, batch_size=2, seed=0, epoch=0, **section.sampling._asdict()))
    except SraeError as error:
        return str(error.where)
    return None


@pytest.mark.parametrize(("name", "key"), FIELDS, ids=lambda part: part)
def test_any_value_of_any_field_is_refused_by_name_or_kept(
    name: str, key: str, folders: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    others = {"name": name, "limit": 2} | ({"folder": folders[name]} if name in folders else {})
    for value in [*VALUES, *bounds(sections_by_name()[name], key)]:
        section = parsed(others | {key: value})
        if isinstance(section, str):  # beside `data.key` it is `data: why`, with the key in it
            assert f"data.{key}" in section or key in section.partition("data: ")[2], value
            continue
        kept = section.model_dump()[key]
        assert kept == value or (key, value, kept) == ("degrade", {}, Degrade().model_dump()), value
        if value in VALUES:  # what is accepted opens, or it is said why not
            assert opened(section) != "None", value


@pytest.mark.parametrize("key", Degrade.model_fields)
def test_any_value_of_degrade_is_refused_by_name_or_kept(key: str) -> None:
    for value in [*VALUES, 1, 2, 8, 9, 64, 65, [0.5], [0], [1], [math.nan]]:
        section = parsed({"degrade": {"kernel": "photo", key: value}})
        if isinstance(section, str):
            assert f"data.degrade.{key}" in section, value
        else:
            assert section.model_dump()["degrade"][key] == value
