"""F13, F14: a wrong config is refused with everything that is wrong, a hostile one before anything is built."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import yaml

from one_process import Done, assert_told, run_all, run_python
from srae.config.loading import load_config
from srae.config.yaml_text import MAX_BYTES, parse_yaml
from srae.errors import ConfigError

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)
MODEL = "model: {name: identity}\n"


WRONG: dict[str, tuple[str, ...]] = {
    # the document
    "": ("a.yaml",),
    "# nothing\n": ("a.yaml",),
    "- a\n- b\n": ("a.yaml",),
    "cnn4_tanh": ("a.yaml",),
    "model:\n\tname: identity\n": ("a.yaml:2", "token"),
    MODEL + "train: {epochs: 3\n": ("a.yaml:3",),
    MODEL + "data: {folder: 'x}\n": ("a.yaml:3",),
    "model:\n  name: identity\n   x: 1\n": ("a.yaml:3",),
    MODEL + "seed: \0\n": ("#x0000",),
    MODEL + "---\n" + MODEL: ("a.yaml:2",),
    MODEL + "? [a, b]\n: 1\n": ("a.yaml:2",),
    "a: &x 1\nmodel: *x\n": ("a.yaml:1",),
    "model: !!python/name:os.system\n": ("a.yaml:1", "os.system"),
    MODEL + "seed: !!int '3'\n": ("a.yaml:2",),
    MODEL + 'data: {folder: "\\ud800"}\n': ("a.yaml:2",),
    # keys: unknown ones with the guess, or with all that there are
    MODEL + "sede: 1\n": ("a.yaml:2: sede: ", "seed?"),
    MODEL + "train:\n  lerning_rate: 1\n": ("a.yaml:3: train.lerning_rate: ", "learning_rate?"),
    MODEL + "data:\n  degrade:\n    scal: 2\n": ("a.yaml:4: data.degrade.scal: ", "scale?"),
    MODEL + "train: {EPOCHS: 3}\n": ("train.EPOCHS: ", "epochs?"),
    MODEL + "zzz: 1\n": ("a.yaml:2: zzz: ", "task, model, data, train, seed"),
    MODEL + "<<: {seed: 1}\n": ("a.yaml:2: <<: ",),
    MODEL + "seed: 1\nseed: 2\n": ("a.yaml:2: seed: ", "line 3"),
    MODEL + "train:\n  epochs: 1\ntrain:\n  epochs: 2\n": ("a.yaml:2: train: ", "line 4"),
    "seed: 1\n": ("model: ",),
    "model: {channels: [8]}\n": ("a.yaml:1: model.name: ",),
    MODEL + '"\\e[31m": 1\n': ("a.yaml:2: '\\x1b[31m'",),
    # types, with the value
    MODEL + "train: {epochs: true}\n": ("train.epochs: ", "true"),
    MODEL + "train: {shuffle: on}\n": ("train.shuffle: ", "'on'"),
    MODEL + "data: {augment: flip}\n": ("data.augment: ", "'flip'"),
    MODEL + "train: {betas: [0.9, x]}\n": ("train.betas.1: ", "'x'"),
    "model: identity\n": ("a.yaml:1: model: ", "'identity'"),
    MODEL + "train:\n": ("a.yaml:2: train: ",),
    # ranges and choices
    MODEL + "seed: -1\n": ("a.yaml:2: seed: ", "-1"),
    MODEL + "data: {degrade: {scale: 9}}\n": ("data.degrade.scale: ", "8, not 9"),
    MODEL + "train: {learning_rate: 1e999}\n": ("train.learning_rate: ",),
    MODEL + f"seed: {'9' * 5000}\n": ("a.yaml:2: seed: ",),
    MODEL + "task: superresolution\n": ("task: ", "super_resolution?"),
    MODEL + "data: {channels: rgb}\n": ("data.channels: ", "L, RGB", "RGB?"),
    MODEL + "data: {augment: [flip, rotat]}\n": ("data.augment.1: ", "rotate?"),
    # keys that depend on each other
    MODEL + "data: {low: a}\n": ("a.yaml:2: data: ", "low", "high"),
    MODEL + "data: {crop: 33, degrade: {scale: 2}}\n": ("a.yaml:2: data: ", "crop", "degrade.scale"),
}
"""A text, and what its message must name: the place, the key, the value, the guess."""


# ------------------------------------------------------------------ through the command

HOSTILE = {
    "hostile_tag": "model: !!python/object/apply:os.system ['touch owned']\n",
    "alias_bomb": "a0: &a [x, x]\n" + "".join(f"a{i + 1}: &a{i} [*a, *a, *a]\n" for i in range(200)),
    "depth_5000": "x: " + "[" * 5000,
    "huge": "# " + "x" * 10_000_000,
    "long_key": f"{'k' * 60_000}: 1\n",
    "many_keys": "".join(f"k{i}: {i}\n" for i in range(5000)),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What `srae train` says of every hostile and every wrong config, in one process; hostile ones first."""
    folder = tmp_path_factory.mktemp("wrong")
    texts = {**HOSTILE, **{f"wrong{i}": text for i, text in enumerate(WRONG)}, "several": SEVERAL}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = run_all([["train", "--config", f"{name}.yaml"] for name in texts], folder)
    assert set(os.listdir(folder)) == {f"{name}.yaml" for name in texts}, "no run was made, and nothing run"
    return dict(zip(texts, done, strict=True))


SEVERAL = """
task: superresolution
model: {name: residual, widht: 3}
data: {folde: x}
train: {epochs: many, learning_rate: -1}
sede: 1
"""


def test_f13_what_is_wrong_is_said_with_its_place(told: dict[str, Done]) -> None:
    """All of it fits a terminal and cannot drive it: see `assert_told`."""
    for number, named in enumerate(WRONG.values()):
        done = told[f"wrong{number}"]
        assert_told(done, 2, *(part.replace("a.yaml", f"wrong{number}.yaml") for part in named))
        assert len(done.err.splitlines()) in (3, 4), done.err


def test_f13_all_mistakes_at_once_those_of_the_network_too(told: dict[str, Done]) -> None:
    lines = told["several"].err.splitlines()
    assert lines[0].startswith("srae train: 6 ")
    assert [line.split(": ")[:2] for line in lines[1:-1]] == [
        ["several.yaml:2", "task"],
        ["several.yaml:3", "model.widht"],
        ["several.yaml:4", "data.folde"],
        ["several.yaml:5", "train.epochs"],
        ["several.yaml:5", "train.learning_rate"],
        ["several.yaml:6", "sede"],
    ]
    for guess in ("super_resolution", "width", "folder", "seed"):
        assert f"{guess}?" in told["several"].err


def test_f13_reading_a_config_never_imports_torch(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SEVERAL)
    for code in (
        "from srae.config.loading import load_config; load_config('residual')",
        "from srae.config.loading import find_config; from srae.studies.plan import load_study; "
        "load_study(find_config('report_a_rates'))",
        "import srae.cli; print(srae.cli.main(['study', 'a.yaml']), srae.cli.main(['train', '--config', 'nothing']))",
    ):
        done = run_python(f"{code}\nimport sys; assert 'torch' not in sys.modules", cwd=tmp_path)
    assert done.stdout == "2 2\n"


def test_f14_hostile_documents_are_refused_at_once_and_without_torch(told: dict[str, Done]) -> None:
    for name, named in (("hostile_tag", "os.system"), ("alias_bomb", ":1"), ("depth_5000", "nest"), ("huge", "64 KB")):
        assert_told(told[name], 2, named, f"{name}.yaml")
        assert not told[name].has_torch
        assert len(told[name].err.splitlines()) == 3


def test_f14_the_largest_that_may_come_is_refused_too(told: dict[str, Done]) -> None:
    assert_told(told["long_key"], 2)
    assert_told(told["many_keys"], 2, "5001")


# ------------------------------------------------------------------ F14, from inside


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
    with pytest.raises(ConfigError):
        parse_yaml(text, "a.yaml")
    assert len(seen) < 100


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['touch hacked']", "!!python/name:os.system", "!!python/module:os", "!custom x"],
)
def test_f14_tags_run_nothing(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        parse_yaml(f"model: {tag}\n", "a.yaml")
    assert caught.value.where == "a.yaml:1"
    assert list(tmp_path.iterdir()) == []


def test_f14_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 34)  # sparse; reading 16 GB would be noticed
    monkeypatch.setattr(yaml, "parse", lambda *a, **k: pytest.fail("parsed a huge file"))
    for read in (partial(load_config, file), partial(parse_yaml, "#" * (MAX_BYTES + 1), "a.yaml")):
        with pytest.raises(ConfigError):
            read()
