"""`srae schema`: generated from the config's fields and the networks' constructors, never written by hand."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import jsonschema
import pytest
from torch import nn

from conftest import Run
from srae.config.data_sets import SECTIONS, names_of, sections_by_name
from srae.config.degrade import Degrade
from srae.config.experiment import Config, ModelConfig, TrainConfig
from srae.config.json_schema import describe_schema, section_schema
from srae.config.yaml_text import parse_yaml
from srae.models import MODELS
from srae.models.options import model_options
from srae.studies.plan import Study
from srae.training.config_schema import build_schema

CONFIGS = Path(__file__).parents[2] / "configs"
COMMITTED = CONFIGS / "schema.json"
OF_STUDIES = CONFIGS / "studies" / "schema.json"
SHIPPED = sorted(CONFIGS.rglob("*.yaml"))


@pytest.fixture(scope="module")
def schema() -> dict:
    return build_schema()


@functools.cache
def validator_of(schema: Path) -> jsonschema.Draft202012Validator:
    rules = json.loads(schema.read_text())
    jsonschema.Draft202012Validator.check_schema(rules)
    return jsonschema.Draft202012Validator(rules)


def options_of(schema: dict, name: str) -> dict:
    branches = schema["$defs"]["ModelConfig"]["allOf"]
    return next(b["then"] for b in branches if b["if"]["properties"]["name"]["const"] == name)


def test_the_committed_schema_is_the_generated_one(schema: dict) -> None:
    assert json.loads(COMMITTED.read_text()) == schema, "run: srae schema --write configs/schema.json"
    of_studies = section_schema(Study, "srae study")
    assert json.loads(OF_STUDIES.read_text()) == of_studies, (
        "run: srae schema --study --write configs/studies/schema.json"
    )


def test_configs_are_shipped() -> None:
    assert SHIPPED


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.relative_to(CONFIGS).as_posix())
def test_a_config_fits_the_schema_that_its_first_line_names(file: Path) -> None:
    schema = OF_STUDIES if file.parent.name == "studies" else COMMITTED
    relative = Path(os.path.relpath(schema, file.parent)).as_posix()
    assert file.read_text().splitlines()[0] == f"# yaml-language-server: $schema={relative}"
    validator_of(schema).validate(parse_yaml(file.read_text(), file.name)[0])


@pytest.mark.parametrize("wrong", ["{}", "{configs: []}", "{configs: [a], seed: [0]}", "{configs: [a], draw: [all]}"])
def test_what_is_no_study_does_not_fit_its_schema(wrong: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator_of(OF_STUDIES).validate(parse_yaml(wrong, "wrong")[0])


def test_every_field_has_its_sentence_and_no_other_key_is_known(schema: dict) -> None:
    for section, rules in [("Config", schema), *schema["$defs"].items()]:
        # `data` and `train` are explained by their own keys.
        silent = [key for key, rule in rules["properties"].items() if "description" not in rule and "$ref" not in rule]
        assert not silent, f"{section}: no sentence under {silent}"
    for section in (Config, *SECTIONS, Degrade, TrainConfig):
        rules = schema if section is Config else schema["$defs"][section.__name__]
        assert set(rules["properties"]) == set(section.model_fields)
        assert rules["additionalProperties"] is False


def test_names_are_those_of_the_tables(schema: dict) -> None:
    sections = schema["$defs"]
    assert sections["ModelConfig"]["properties"]["name"]["enum"] == sorted(MODELS)
    assert sections["DataConfig"]["properties"]["name"]["enum"] == sorted(sections_by_name())
    assert set(ModelConfig.model_fields) == {"name"}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ("{}", True),
        ("{folder: x, degrade: {scale: 3}, test_from_val: 0.1}", True),  # without a name: pairs
        ("{name: pairs, low: a, high: b}", True),
        ("{name: demo, crop: 96}", True),
        ("{name: mnist, val_count: 0}", True),
        ("{name: class_folders, folder: x, side: 32}", True),
        ("{side: 32}", False),
        ("{name: demo, folder: x}", False),
        ("{name: mnist, crop: 8}", False),
        ("{name: class_folders, val_count: 5}", False),
        ("{name: mnist, channels: RGBA}", False),
        ("{name: dmeo}", False),
        ("{augment: [flip, flip]}", False),
        ("{degrade: {scal: 2}}", False),
    ],
)
def test_a_key_fits_the_schema_of_its_own_data_set_alone(data: str, fits: bool, schema: dict) -> None:
    document = parse_yaml(f"model: {{name: identity}}\ndata: {data}", "toy")[0]
    assert jsonschema.Draft202012Validator(schema).is_valid(document) is fits


def test_every_data_set_has_its_branch(schema: dict) -> None:
    branches = schema["$defs"]["DataConfig"]["allOf"]
    found = {name: b["then"]["$ref"] for b in branches for name in b["if"]["properties"]["name"]["enum"]}
    assert found == {name: f"#/$defs/{section.__name__}" for section in SECTIONS for name in names_of(section)}


@pytest.mark.parametrize("name", MODELS)
def test_options_are_the_arguments_of_the_constructor(name: str, schema: dict) -> None:
    rules, arguments = options_of(schema, name), model_options(MODELS[name])
    assert set(rules["properties"]) == {"name", *arguments}
    assert rules["additionalProperties"] is False
    assert set(rules["required"]) == {key for key, p in arguments.items() if p.default is p.empty}
    for key, parameter in arguments.items():
        if parameter.default is not parameter.empty:
            assert rules["properties"][key]["default"] == parameter.default
        assert rules["properties"][key].get("description"), f"no line on {key} in the Args of {MODELS[name].__name__}"


class Toy(nn.Module):
    """A network.

    Args:
        in_shape: (C, H, W).
        out_shape: (C, H, W).
        width: channels, which go
            over two lines: really.
        rates: learning goes on.

    Raises:
        ValueError: never.
    """

    def __init__(
        self,
        *,
        in_shape: tuple[int, int, int],
        out_shape: tuple[int, int, int],
        width: int,
        rates: list[float] | None = None,
    ) -> None:
        super().__init__()


def test_a_new_network_needs_nothing_but_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srae.training.config_schema.MODELS", {**MODELS, "toy": Toy})
    rules = options_of(build_schema(), "toy")
    assert rules == {
        "properties": {
            "name": True,
            "width": {"type": "integer", "description": "channels, which go over two lines: really."},
            "rates": {
                "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}],
                "default": None,
                "description": "learning goes on.",
            },
        },
        "required": ["width"],
        "additionalProperties": False,
    }


def test_the_listing_has_every_key_once_with_its_default(schema: dict) -> None:
    lines = list(describe_schema(schema))
    keys = [line.split()[0] for line in lines if line and line[0] not in " \n"]
    for key in TrainConfig.model_fields:
        assert keys.count(f"train.{key}") == 1
    for key in {key for section in SECTIONS for key in section.model_fields} - {"name"}:
        assert keys.count(f"data.{key}") == sum(key in section.model_fields for section in SECTIONS)
    assert keys.count("data.name") == 1
    assert "train.epochs  whole number >= 1 <= 1000000  = 20" in lines
    assert "data.degrade.scale  whole number >= 2 <= 8  = 2" in lines
    assert any(line.startswith("model.name  ") and line.endswith("  required") for line in lines)
    of_studies = list(describe_schema(section_schema(Study, "srae study")))
    assert {"configs  list of (text)  required", "seeds  list of (whole number)  = [0]"} <= set(of_studies)
    for name in MODELS:
        assert any(line.startswith(f"\noptions of model {name}") for line in lines)


def test_writing_gives_the_same_file_each_time(tmp_path: Path, call: Run) -> None:
    done = call("schema", "--write", "schema.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "schema.json").read_text() == COMMITTED.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["schema.json"]
