"""F13, F14: a wrong config is refused with everything that is wrong, a hostile one before anything is built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from one_process import Done, assert_told, run_all

from srae.config.loading import load_config, parse_config
from srae.config.yaml_text import MAX_BYTES, parse_yaml
from srae.errors import ConfigError

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)
MODEL = "model: {name: identity}\n"


def message(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "a.yaml", overrides)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    return str(caught.value)


class Wrong(NamedTuple):
    """A text and what its message must contain."""

    text: str
    said: tuple[str, ...]


WRONG = {
    # the document
    "empty": Wrong("", ("a config is a mapping", "a.yaml")),
    "only comments": Wrong("# nothing\n", ("a config is a mapping",)),
    "a list": Wrong("- a\n- b\n", ("a config is a mapping",)),
    "a word": Wrong("cnn4_tanh", ("a config is a mapping",)),
    "tab indentation": Wrong("model:\n\tname: identity\n", ("not valid YAML", "'\\t'", "a.yaml:2", "spaces")),
    "bracket left open": Wrong(MODEL + "train: {epochs: 3\n", ("not valid YAML", "a.yaml:3")),
    "quote left open": Wrong(MODEL + "data: {folder: 'x}\n", ("not valid YAML", "a.yaml:3")),
    "bad indentation": Wrong("model:\n  name: identity\n   x: 1\n", ("not valid YAML", "a.yaml:3")),
    "nul character": Wrong(MODEL + "seed: \0\n", ("not valid YAML", "#x0000")),
    "two documents": Wrong(MODEL + "---\n" + MODEL, ("not valid YAML", "a.yaml:2")),
    "list as key": Wrong(MODEL + "? [a, b]\n: 1\n", ("cannot be a key", "a.yaml:2")),
    "alias": Wrong("a: &x 1\nmodel: *x\n", ("anchors and aliases", "a.yaml:1")),
    "python tag": Wrong("model: !!python/name:os.system\n", ("tag", "not accepted", "a.yaml:1")),
    "standard tag": Wrong(MODEL + "seed: !!int '3'\n", ("tag", "a.yaml:2")),
    "half a character": Wrong(MODEL + 'data: {folder: "\\ud800"}\n', ("a.yaml:2: data.folder", "Unicode")),
    # keys
    "typo at the top": Wrong(MODEL + "sede: 1\n", ("a.yaml:2: sede: unknown key; did you mean seed?",)),
    "typo in train": Wrong(
        MODEL + "train:\n  lerning_rate: 1\n", ("a.yaml:3: train.lerning_rate", "did you mean learning_rate?")
    ),
    "typo two levels down": Wrong(
        MODEL + "data:\n  degrade:\n    scal: 2\n", ("a.yaml:4: data.degrade.scal", "did you mean scale?")
    ),
    "upper case": Wrong(MODEL + "train: {EPOCHS: 3}\n", ("train.EPOCHS", "did you mean epochs?")),
    "nothing alike": Wrong(MODEL + "zzz: 1\n", ("a.yaml:2: zzz", "known keys: task, model, data, train, seed")),
    "merge key": Wrong(MODEL + "<<: {seed: 1}\n", ("a.yaml:2: <<: unknown key",)),
    "duplicate": Wrong(MODEL + "seed: 1\nseed: 2\n", ("a.yaml:2: seed: duplicate key (line 3 again)",)),
    "duplicate section": Wrong(
        MODEL + "train:\n  epochs: 1\ntrain:\n  epochs: 2\n", ("a.yaml:2: train: duplicate key (line 4 again)",)
    ),
    "no model": Wrong("seed: 1\n", ("model: is missing",)),
    "model without a name": Wrong("model: {channels: [8]}\n", ("a.yaml:1: model.name: is missing",)),
    "escape sequence as key": Wrong(MODEL + '"\\e[31m": 1\n', ("a.yaml:2: '\\x1b[31m'",)),
    # types
    "word for a number": Wrong(MODEL + "train: {epochs: many}\n", ("train.epochs: needs a whole number, not 'many'",)),
    "fraction for a count": Wrong(MODEL + "train: {epochs: 2.5}\n", ("train.epochs: needs a whole number, not 2.5",)),
    "true for a count": Wrong(MODEL + "train: {epochs: true}\n", ("train.epochs: needs a whole number, not true",)),
    "quoted number": Wrong(MODEL + "train: {learning_rate: '1e-3'}\n", ("needs a number, not '1e-3'",)),
    "on is text": Wrong(MODEL + "train: {shuffle: on}\n", ("train.shuffle: needs true or false, not 'on'",)),
    "one for true": Wrong(MODEL + "train: {shuffle: 1}\n", ("train.shuffle: needs true or false, not 1",)),
    "number for text": Wrong(MODEL + "data: {folder: 3}\n", ("data.folder: needs text, not 3",)),
    "text for a list": Wrong(MODEL + "data: {augment: flip}\n", ("data.augment: needs a list", "not 'flip'")),
    "wrong item": Wrong(MODEL + "train: {betas: [0.9, x]}\n", ("train.betas.1: needs a number, not 'x'",)),
    "text for a section": Wrong("model: identity\n", ("a.yaml:1: model: needs keys of its own, not 'identity'",)),
    "section left empty": Wrong(MODEL + "train:\n", ("a.yaml:2: train: needs keys of its own, not nothing",)),
    # ranges and choices
    "below": Wrong(MODEL + "train: {batch_size: 0}\n", ("train.batch_size: should be", "1, not 0")),
    "negative seed": Wrong(MODEL + "seed: -1\n", ("a.yaml:2: seed", "not -1")),
    "above": Wrong(MODEL + "data: {degrade: {scale: 9}}\n", ("data.degrade.scale", "not 9")),
    "infinite": Wrong(MODEL + "train: {learning_rate: .inf}\n", ("train.learning_rate", "finite")),
    "not a number": Wrong(MODEL + "train: {learning_rate: .nan}\n", ("train.learning_rate", "finite")),
    "overflow": Wrong(MODEL + "train: {learning_rate: 1e999}\n", ("train.learning_rate", "finite")),
    "five thousand digits": Wrong(MODEL + f"seed: {'9' * 5000}\n", ("a.yaml:2: seed", "whole number")),
    "too few items": Wrong(MODEL + "train: {betas: [0.9]}\n", ("train.betas: needs at least 2 items, not [0.9]",)),
    "unknown choice": Wrong(MODEL + "task: superresolution\n", ("task", "did you mean super_resolution?")),
    "choice in lower case": Wrong(MODEL + "data: {channels: rgb}\n", ("'rgb' is not one of L, RGB", "mean RGB?")),
    "unknown choice in a list": Wrong(
        MODEL + "data: {augment: [flip, rotat]}\n", ("data.augment.1", "did you mean rotate?")
    ),
    # keys that depend on each other
    "low without high": Wrong(MODEL + "data: {low: a}\n", ("a.yaml:2: data: low and high come together",)),
    "crop off the grid": Wrong(MODEL + "data: {crop: 33, degrade: {scale: 2}}\n", ("multiple of degrade.scale",)),
    "crops without a size": Wrong(MODEL + "data: {crops_per_picture: 4}\n", ("crops_per_picture needs crop",)),
}


@pytest.mark.parametrize("name", WRONG)
def test_f13_what_is_wrong_is_said_with_its_place(name: str) -> None:
    told = message(WRONG[name].text)
    for fragment in WRONG[name].said:
        assert fragment in told
    # All of it fits a terminal and cannot drive it.
    assert all(line.isprintable() and len(line) <= 250 for line in told.split("\n"))


def test_f13_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = (
        "task: super\n"
        "model: {name: 3}\n"
        "data:\n"
        "  folde: x\n"
        "  channels: rgb\n"
        "train:\n"
        "  epochs: true\n"
        "  batch_size: 0\n"
        "seed: 1\n"
        "seed: 2\n"
    )
    what, *where, remedy = message(text).split("\n")
    assert what == "7 problems in the config"
    places = [line.split(": ")[:2] for line in where]
    assert places == [
        ["a.yaml:1", "task"],
        ["a.yaml:2", "model.name"],
        ["a.yaml:4", "data.folde"],
        ["a.yaml:5", "data.channels"],
        ["a.yaml:7", "train.epochs"],
        ["a.yaml:8", "train.batch_size"],
        ["a.yaml:9", "seed"],
    ]
    assert "srae schema" in remedy


# ------------------------------------------------------------------ through the command

HOSTILE = {
    "hostile tag": "model: !!python/object/apply:os.system ['touch owned']\n",
    "alias bomb": "a0: &a [x, x]\n" + "".join(f"a{i + 1}: &a{i} [*a, *a, *a]\n" for i in range(200)),
    "depth 5000": "x: " + "[" * 5000,
    "huge": "# " + "x" * 10_000_000,
    "long key": f"{'k' * 60_000}: 1\n",
    "many keys": "".join(f"k{i}: {i}\n" for i in range(5000)),
}


def place(name: str) -> str:
    return name.replace(" ", "_") + ".yaml"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What `srae train` says of every hostile and every wrong config, in one process; hostile ones first."""
    folder = tmp_path_factory.mktemp("wrong")
    texts = {**HOSTILE, **{name: wrong.text for name, wrong in WRONG.items()}}
    for name, text in texts.items():
        (folder / place(name)).write_text(text, encoding="utf-8")
    (folder / "several.yaml").write_text(SEVERAL)
    names = [*texts, "several"]
    done = run_all([["train", "--config", place(name)] for name in names], folder)
    assert set(os.listdir(folder)) == {place(name) for name in names}, "no run was made, and nothing run"
    return dict(zip(names, done, strict=True))


SEVERAL = """
task: superresolution
model: {name: residual, widht: 3}
data: {folde: x}
train: {epochs: many, learning_rate: -1}
sede: 1
"""


def test_f13_the_command_refuses_every_one_of_them(told: dict[str, Done]) -> None:
    assert len(WRONG) >= 40
    for name, wrong in WRONG.items():
        assert_told(told[name], 2, *(part.replace("a.yaml", place(name)) for part in wrong.said))
        assert "\n`srae schema`" in told[name].err or len(told[name].err.splitlines()) == 3, told[name].err


def test_f13_all_mistakes_at_once_those_of_the_network_too(told: dict[str, Done]) -> None:
    lines = told["several"].err.splitlines()
    assert lines[0] == "srae train: 6 problems in the config"
    assert [line.split(": ")[:2] for line in lines[1:-1]] == [
        ["several.yaml:2", "task"],
        ["several.yaml:3", "model.widht"],
        ["several.yaml:4", "data.folde"],
        ["several.yaml:5", "train.epochs"],
        ["several.yaml:5", "train.learning_rate"],
        ["several.yaml:6", "sede"],
    ]
    for guess in ("super_resolution", "width", "folder", "seed"):
        assert f"did you mean {guess}?" in told["several"].err


def test_f13_reading_a_config_never_imports_torch(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEVERAL)
    for code in (
        "from srae.config.loading import load_config; load_config('residual')",
        "from srae.config.loading import find_config; from srae.studies.plan import load_study; "
        "load_study(find_config('report_a_rates'))",
        "import srae.cli; print(srae.cli.main(['study', 'a.yaml']), srae.cli.main(['train', '--config', 'nothing']))",
    ):
        look = f"{code}\nimport sys; assert 'torch' not in sys.modules"
        done = subprocess.run([sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "2 2\n"


def test_f14_hostile_documents_are_refused_at_once_and_without_torch(told: dict[str, Done]) -> None:
    for name, fragment in (
        ("hostile tag", "tag tag:yaml.org,2002:python/object/apply:os.system is not accepted"),
        ("alias bomb", "anchors and aliases are not accepted"),
        ("depth 5000", "nested deeper than 16"),
        ("huge", "larger than 64 KB"),
    ):
        assert_told(told[name], 2, fragment)
        assert told[name].cpu_seconds < 0.5
        assert not told[name].has_torch
        assert len(told[name].err.splitlines()) == 3


def test_f14_the_largest_that_may_come_is_quick_too(told: dict[str, Done]) -> None:
    assert_told(told["long key"], 2)
    assert_told(told["many keys"], 2, "5001 problems")
    assert told["many keys"].cpu_seconds < 20  # with the import of torch


# ------------------------------------------------------------------ F14, from inside


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "a.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["x: " + "[" * 5000, "x: " + "{a: " * 5000, "- " * 5000, "\n".join(" " * i + "a:" for i in range(300))]
)
def test_f14_depth_is_refused_before_anything_is_built(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("composed a hostile document")

    monkeypatch.setattr(yaml, "compose", never)
    seen: list[object] = []
    events = yaml.parse
    monkeypatch.setattr(yaml, "parse", lambda *a, **k: (seen.append(e) or e for e in events(*a, **k)))
    assert "nested deeper than 16" in refusal(text)
    assert len(seen) < 100


def test_f14_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    rungs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rungs += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    told = refusal("\n".join(rungs))
    assert "anchors and aliases" in told
    assert "a.yaml:1" in told


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['touch hacked']", "!!python/name:os.system", "!!python/module:os", "!custom x"],
)
def test_f14_tags_run_nothing(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is not accepted" in refusal(f"model: {tag}\n")
    assert list(tmp_path.iterdir()) == []


def test_f14_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 34)  # sparse; reading 16 GB would be noticed
    monkeypatch.setattr(yaml, "parse", lambda *a, **k: pytest.fail("parsed a huge file"))
    with pytest.raises(ConfigError, match=r"larger than 64 KB"):
        load_config(file)
    with pytest.raises(ConfigError, match=r"larger than 64 KB"):
        parse_yaml("#" * (MAX_BYTES + 1), "a.yaml")
