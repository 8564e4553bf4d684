"""The YAML door: what is right comes back unchanged.  What is refused is in faults/test_configs_refused.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import LONG
from refusals import refuses
from srae.config import loading as config_module
from srae.config.data_sets import PairsConfig
from srae.config.degrade import Degrade
from srae.config.experiment import Config, ModelConfig, TrainConfig
from srae.config.loading import dump_config, find_config, load_config
from srae.config.loading import parse_config as parse
from srae.config.yaml_text import dump_yaml, parse_yaml
from srae.errors import ConfigError

MODEL = "model: {name: identity}\n"


def message(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "a.yaml", overrides)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    return str(caught.value)


def test_options_of_the_network_are_reported_together_with_the_rest() -> None:
    def check(name: str, options: dict) -> list[tuple[str, str]]:
        assert (name, options) == ("net", {"depth": 3})
        return [("depth", "unknown option of net")]

    with pytest.raises(ConfigError) as caught:
        parse("model:\n  name: net\n  depth: 3\nseeed: 1\n", "a.yaml", check_options=check)
    assert "a.yaml:3: model.depth: " in str(caught.value)
    assert "a.yaml:4: seeed" in str(caught.value)


def test_a_long_value_is_cut() -> None:
    assert len(message(MODEL + f"train: {{epochs: {'x' * 50_000}}}\n")) < 400


# ------------------------------------------------------------------ what is accepted


def test_on_and_off_stay_strings_where_strings_are_meant() -> None:
    config = parse(MODEL + "data: {folder: on}\n", "a.yaml")
    assert config.data.folder == "on"


def test_files_with_a_byte_order_mark_or_windows_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfmodel: {name: identity}\r\ntrain:\r\n  learning_rate: 1e-3\r\n")
    assert load_config(file).train.learning_rate == 0.001


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("model: {name: identity}  # señal\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.where == str(file)


def test_a_config_cannot_be_changed() -> None:
    config = parse(MODEL, "a.yaml")
    with pytest.raises(ValueError):
        config.train.epochs = 3


# ------------------------------------------------------------------ --set


def test_overrides_win_over_the_file_and_make_missing_sections() -> None:
    config = parse(
        MODEL + "data: {degrade: null}\ntrain: {epochs: 1, batch_size: 3}\n",
        "a.yaml",
        ["train.epochs=7", "train.learning_rate=2e-4", "data.degrade.scale=4", "seed=5", "model.depth=[1, 2]"],
    )
    assert (config.train.epochs, config.train.batch_size, config.train.learning_rate) == (7, 3, 2e-4)
    assert config.data.degrade == Degrade(scale=4)
    assert config.seed == 5
    assert config.model.options == {"depth": [1, 2]}


def test_the_last_override_of_a_key_wins() -> None:
    assert parse(MODEL, "a.yaml", ["seed=1", "seed=2"]).seed == 2


def test_an_empty_value_is_null() -> None:
    assert parse(MODEL + "data: {folder: x}\n", "a.yaml", ["data.folder="]).data.folder is None


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("train.epoch=5", ("--set train.epoch=5: train.epoch: ", "epochs?")),
        ("trian.epochs=5", ("--set trian.epochs=5: trian: ", "train?")),
        ("train.epochs=five", ("--set train.epochs=five: train.epochs: ", "'five'")),
        ("train.epochs", ("KEY=VALUE", "'train.epochs'")),
        ("=5", ("KEY=VALUE",)),
        ("train..epochs=5", ("KEY=VALUE",)),
        ("seed.x=1", ("--set seed.x=1",)),
        ("train.epochs=[1", ("--set train.epochs",)),
        ("data={channels: L, channels: RGB}", ("channels",)),
        ("data={folder: 3}", ("--set data={folder: 3}: data.folder: ", "3")),
        ("model.name=!!python/name:os.system", ("os.system",)),
    ],
)
def test_a_wrong_override_is_named_as_it_was_typed(override: str, named: tuple[str, ...]) -> None:
    told = message(MODEL + "seed: 1\ndata: {folder: x}\n", override)
    assert all(part in told for part in named), told


def test_problems_of_file_and_overrides_come_together() -> None:
    told = message(MODEL + "sede: 1\n", "train.epochs=x", "train.batch_size=0")
    assert all(part in told for part in ("a.yaml:2: sede", "--set train.epochs=x", "--set train.batch_size=0"))


# ------------------------------------------------------------------ shipped configs by name


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shipped"
    for name in ("cnn4_tanh", "fashion/small", "classifiers/small", "published/edsr"):
        file = folder / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MODEL)
    monkeypatch.setattr(config_module, "CONFIG_FOLDERS", (tmp_path / "none", folder))
    return folder


@pytest.mark.parametrize("name", ["cnn4_tanh", "cnn4_tanh.yaml", "published/edsr", "edsr"])
def test_a_bare_name_means_the_shipped_file(name: str, shipped: Path) -> None:
    found = find_config(name)
    assert found.is_relative_to(shipped)
    assert found.stem == Path(name).stem


def test_a_file_wins_over_a_shipped_name(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn4_tanh").write_text(MODEL)
    assert not find_config("cnn4_tanh").is_relative_to(shipped)


def test_a_file_beside_a_study_and_a_typo_of_a_file(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in ("tres_relu", "cnn4_tanh"):
        (own / f"{name}.yaml").write_text(MODEL)
    for name in ("tres_relu", "tres_relu.yaml", "cnn4_tanh"):
        assert find_config(name, beside=own) == own / f"{name.removesuffix('.yaml')}.yaml"
    assert find_config("edsr", beside=own).is_relative_to(shipped)
    monkeypatch.chdir(own)
    assert find_config("tres_relu").resolve() == own / "tres_relu.yaml"
    assert find_config("cnn4_tanh").is_relative_to(shipped), "a bare name hides no shipped config"
    for name in ("tres_rellu.yaml", "tres_rellu", f"{own}/tres_rellu.yaml"):
        with refuses(ConfigError, "tres_rellu", "tres_relu.yaml?"):
            find_config(name)


def test_the_packages_own_config_wins(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "none" / "cnn4_tanh.yaml"
    own.parent.mkdir()
    own.write_text(MODEL)
    assert find_config("cnn4_tanh") == own


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cnn4_than", "cnn4_tanh?"),
        ("edsrr.yaml", "edsr?"),
        ("zzzzzz", "cnn4_tanh, classifiers/small"),
        ("small", "classifiers/small, fashion/small"),
        ("../shipped", "cnn4_tanh"),
        ("", "cnn4_tanh"),
    ],
)
def test_an_unknown_name_says_what_there_is(name: str, said: str, shipped: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(name)
    assert said in str(caught.value.remedy)


# ------------------------------------------------------------------ there and back

# Text as a user may call a folder or an option, and as our own reader may mistake it for something else.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.from_regex(r"[-+]?[0-9]{0,3}\.?[0-9]{0,2}([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(
        ["on", "off", "yes", "no", "null", "~", "true", "1e-3", "+.5", "08", "0x1F", "1_000", "- a", "a: b", "#x"]
    ),
)
SHARES = st.floats(0, 0.99)
POSITIVE = st.floats(1e-300, 1e300)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
CONFIGS = st.builds(
    Config,
    task=st.sampled_from(["super_resolution", "reconstruction", "classification"]),
    model=st.builds(
        lambda name, options: ModelConfig.model_validate({**options, "name": name}),
        TEXTS,
        st.dictionaries(TEXTS.filter(lambda key: key != "model_config"), VALUES, max_size=4),
    ),
    data=st.builds(
        PairsConfig,
        folder=st.none() | TEXTS.filter(bool),
        channels=st.sampled_from(["L", "RGB", "RGBA"]),
        degrade=st.none() | st.builds(Degrade, scale=st.integers(2, 8)),
        augment=st.lists(st.sampled_from(["flip", "rotate"]), unique=True),
        test_from_val=SHARES,
        limit=st.none() | st.integers(1),
    ),
    train=st.builds(
        TrainConfig,
        epochs=st.integers(1, 10**6),
        learning_rate=POSITIVE,
        betas=st.lists(SHARES, min_size=2, max_size=2),
        epsilon=st.none() | POSITIVE,
        step_epochs=st.lists(st.integers(1, 5), max_size=3),
        shuffle=st.booleans(),
    ),
    seed=st.integers(0, 2**31 - 1),
)


@settings(max_examples=1000 if LONG else 40)  # each is parsed twice, in 30 ms
@given(CONFIGS)
def test_a_dumped_config_reads_back_equal(config: Config) -> None:
    assert parse(dump_config(config), "dumped.yaml") == config


@pytest.mark.parametrize("letter", [*map(chr, range(0x100)), "\u2028", "\u2029", "\ufeff", "\ufffe", "\U0001f600"])
def test_every_control_character_reads_back(letter: str) -> None:
    texts = {"alone": letter, "inside": f"a{letter}b", "spaced": f" a {letter} b ", "twice": f"{letter * 2}\n{letter}"}
    assert parse_yaml(dump_yaml(texts), "dumped.yaml")[0] == texts


def test_a_dumped_config_writes_out_every_default() -> None:
    value, _, _ = parse_yaml(dump_config(parse(MODEL, "a.yaml")), "dumped.yaml")
    assert value["train"]["epochs"] == TrainConfig().epochs
    assert list(value) == list(Config.model_fields)
    assert list(value["train"]) == list(TrainConfig.model_fields)
