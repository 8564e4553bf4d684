"""Sections of a config as JSON Schema, and a schema as readable lines."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from srae.config import data_sets
from srae.config.data_sets import DEFAULT, DataConfig, names_of, sections_by_name

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def section_schema(section: type[BaseModel], title: str) -> dict[str, Any]:
    """JSON Schema of a section: its fields with their docstrings."""
    return {"$schema": _DIALECT, "title": title, **_without_titles(section.model_json_schema())}


def data_schemas() -> dict[str, Any]:
    """The definitions of the section of every data set, and of `DataConfig`, which picks one by the name."""
    _, document = models_json_schema([(section, "validation") for section in data_sets.SECTIONS])
    branches = [
        {
            # Without a name the default applies: only its condition accepts an absent name.
            "if": {"properties": {"name": {"enum": list(names_of(section))}}}
            | ({} if DEFAULT in names_of(section) else {"required": ["name"]}),
            "then": {"$ref": f"#/$defs/{section.__name__}"},
        }
        for section in data_sets.SECTIONS
    ]
    name = {
        "type": "string",
        "description": DataConfig.model_fields["name"].description,
        "enum": sorted(sections_by_name()),
        "default": DEFAULT,
    }
    pick = {
        "type": "object",
        "description": " ".join((DataConfig.__doc__ or "").split()),
        "properties": {"name": name},
        "allOf": branches,
    }
    return {**_without_titles(document["$defs"]), "DataConfig": pick}


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic makes of the keys; they only repeat them."""
    if isinstance(schema, dict):
        return {k: _without_titles(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    return [_without_titles(item) for item in schema] if isinstance(schema, list) else schema


def describe_schema(schema: dict[str, Any]) -> Iterator[str]:
    """The schema as readable lines: ``key  type = default`` and its sentence."""
    sections = schema.get("$defs", {})

    def lines(properties: dict[str, Any], required: list[str], prefix: str) -> Iterator[str]:
        for key, rule in properties.items():
            if rule is True:  # the name, which the caller lists
                continue
            default = "required" if key in required else f"= {json.dumps(rule['default'])}" if "default" in rule else ""
            nested = _section(rule)
            if not nested or "anyOf" in rule:
                yield f"{prefix}{key}  {_type(rule)}  {default}".rstrip()
            if "description" in rule:
                yield from textwrap.wrap(rule["description"], 100, initial_indent="    ", subsequent_indent="    ")
            if nested:
                part = sections[nested]
                yield from lines(part["properties"], part.get("required", []), f"{prefix}{key}.")

    yield from lines(schema["properties"], schema["required"], "")
    for branch in sections.get("DataConfig", {}).get("allOf", []):
        part = sections[_section(branch["then"]) or ""]
        names = ", ".join(branch["if"]["properties"]["name"]["enum"])
        yield f"\nkeys of data {names}: {part['properties']['name']['description']}"
        yield from lines({key: rule for key, rule in part["properties"].items() if key != "name"}, [], "data.")
    for branch in sections.get("ModelConfig", {}).get("allOf", []):
        name, then = branch["if"]["properties"]["name"]["const"], branch["then"]
        yield f"\noptions of model {name}" + (":" if len(then["properties"]) > 1 else ": none")
        yield from lines(then["properties"], then["required"], "model.")


def _section(rule: dict[str, Any]) -> str | None:
    references = [part["$ref"] for part in (rule, *rule.get("anyOf", [])) if "$ref" in part]
    return references[0].rsplit("/", 1)[-1] if references else None


def _type(rule: dict[str, Any]) -> str:
    """A rule in the words of the error messages."""
    words = {
        "integer": "whole number",
        "boolean": "true or false",
        "string": "text",
        "object": "keys with values",
        "null": "null",
    }
    if "anyOf" in rule:
        return " or ".join(_type(part) for part in rule["anyOf"])
    if "enum" in rule or "const" in rule:
        return " | ".join(map(str, rule.get("enum", [rule.get("const")])))
    if "$ref" in rule:
        return "keys of its own"
    if rule["type"] == "array":
        return f"list of ({_type(rule['items'])})" if "items" in rule else "list"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {rule[bound]:.10g}" for bound, sign in signs.items() if bound in rule]
    return " ".join([words.get(rule["type"], rule["type"]), *bounds])
