"""List every key of a config, or of a study, with type, default and meaning, or print them as JSON Schema."""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from srae.cli import print_json, say

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLES = """
  srae schema
  srae schema --study
  srae schema --json
  srae schema --write configs/schema.json
  srae schema --study --write configs/studies/schema.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", action="store_true", help="the keys of a study, not those of a config")
    parser.add_argument("--json", action="store_true", help="print JSON Schema")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write JSON Schema to this file")


def run(args: argparse.Namespace) -> int:
    schema = build_study_schema() if args.study else build_schema()
    if args.write:
        from srae.files import write_text

        write_text(args.write, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        say(f"wrote {args.write}")
    if args.json:
        print_json(schema)
    elif not args.write:
        print("\n".join(describe(schema)))
    return 0


def build_schema() -> dict[str, Any]:
    """JSON Schema of a config: fields and their docstrings, and the keys of each data set and network by its name."""
    from srae.config.experiment import Config
    from srae.models import MODELS

    schema = _without_titles(Config.model_json_schema())
    schema["$defs"] |= _data_schemas()
    model = schema["$defs"]["ModelConfig"]
    model["properties"]["name"]["enum"] = sorted(MODELS)
    # One `if` per name, not `oneOf`: an editor then tells what is wrong with this network's options only.
    model["allOf"] = [
        {"if": {"properties": {"name": {"const": name}}, "required": ["name"]}, "then": _options_schema(name)}
        for name in sorted(MODELS)
    ]
    return {"$schema": DIALECT, "title": "srae config", **schema}


def _data_schemas() -> dict[str, Any]:
    """The definitions of the section of every data set, and of `DataConfig`, which picks one by the name."""
    from pydantic.json_schema import models_json_schema

    from srae.config.data_sets import DEFAULT, SECTIONS, DataConfig, names_of, sections_by_name

    _, document = models_json_schema([(section, "validation") for section in SECTIONS])
    branches = [
        {
            # Without a name it is the default's: only there an absent name fits the condition.
            "if": {"properties": {"name": {"enum": list(names_of(section))}}}
            | ({} if DEFAULT in names_of(section) else {"required": ["name"]}),
            "then": {"$ref": f"#/$defs/{section.__name__}"},
        }
        for section in SECTIONS
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


def build_study_schema() -> dict[str, Any]:
    """JSON Schema of a study."""
    from srae.studies.plan import Study

    return {"$schema": DIALECT, "title": "srae study", **_without_titles(Study.model_json_schema())}


def _options_schema(name: str) -> dict[str, Any]:
    """The keyword-only arguments of a network's constructor as properties."""
    from pydantic import TypeAdapter

    from srae.models import MODELS
    from srae.models.options import model_options

    sentences = read_argument_sentences(MODELS[name].__doc__ or "")
    properties: dict[str, Any] = {"name": True}
    required = []
    for option, parameter in model_options(MODELS[name]).items():
        properties[option] = _without_titles(TypeAdapter(parameter.annotation).json_schema())
        if option in sentences:
            properties[option]["description"] = sentences[option]
        if parameter.default is parameter.empty:
            required.append(option)
        else:
            properties[option]["default"] = parameter.default
    return {"properties": properties, "required": required, "additionalProperties": False}


def read_argument_sentences(docstring: str) -> dict[str, str]:
    """``{argument: sentence}`` of the Args section of a docstring."""
    section = re.search(r"^ *Args:\n(.*?)(?:\n\s*\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    if not section:
        return {}
    entries = re.split(r"^(\w+): ", textwrap.dedent(section.group(1)), flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(entries[1::2], entries[2::2], strict=True)}


def _without_titles(schema: Any) -> Any:
    """Pydantic titles every key with its own name; in an editor that is noise."""
    if isinstance(schema, dict):
        return {k: _without_titles(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    return [_without_titles(item) for item in schema] if isinstance(schema, list) else schema


def describe(schema: dict[str, Any]) -> Iterator[str]:
    """The schema as lines for people: ``key  type = default`` and its sentence."""
    sections = schema.get("$defs", {})

    def lines(properties: dict[str, Any], required: list[str], prefix: str) -> Iterator[str]:
        for key, rule in properties.items():
            if rule is True:  # the name, which is listed above
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
    """A rule in the words that the error messages use."""
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
