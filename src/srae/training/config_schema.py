"""JSON Schema of a config: generated from its fields, the sections of data sets and the networks' constructors.

It is in this package because it needs the networks, which `config` must not import.
"""

from __future__ import annotations

from typing import Any

from srae.config.experiment import Config
from srae.config.json_schema import data_schemas, section_schema
from srae.models import MODELS
from srae.models.options import options_schema


def build_schema() -> dict[str, Any]:
    """JSON Schema of a config: fields and their docstrings, and the keys of each data set and network by its name."""
    schema = section_schema(Config, "srae config")
    schema["$defs"] |= data_schemas()
    model = schema["$defs"]["ModelConfig"]
    model["properties"]["name"]["enum"] = sorted(MODELS)
    # One `if` per name, not `oneOf`: an editor then tells what is wrong with this network's options only.
    model["allOf"] = [
        {"if": {"properties": {"name": {"const": name}}, "required": ["name"]}, "then": options_schema(MODELS[name])}
        for name in sorted(MODELS)
    ]
    return schema
