"""Types of the networks' options.  Their bounds stand in the annotation; pydantic checks them before anything is built.

The upper bounds are far beyond any use; they keep a hostile checkpoint from building a network without end.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from srae.errors import explain_problem

Channels = Annotated[int, Field(ge=1, le=8192)]
Blocks = Annotated[int, Field(ge=1, le=500)]
Side = Annotated[int, Field(ge=1, le=256)]
"""Of a kernel, a stride, a pool or a pixel-unshuffle, in pixels."""
Padding = Annotated[int, Field(ge=0, le=256)]
Code = Annotated[int, Field(ge=1, le=2**20)]
"""Length of a latent vector."""
Rate = Annotated[float, Field(ge=0, lt=1)]
"""Share of values that a dropout layer sets to zero."""

T = TypeVar("T")
PerLayer = Annotated[list[T], Field(min_length=1, max_length=64)]
"""One entry per layer."""


def _rising(range: list[float]) -> list[float]:
    if not range[0] < range[1]:
        raise ValueError(f"needs the lower bound first, not {range}")
    return range


ValueRange = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]
"""[low, high]: the range in which a network works."""


def model_options(build: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The options of a network, or of a loss: keyword-only arguments, shapes left out; annotations are types."""
    signature = inspect.signature(build, eval_str=True)
    return {
        key: p
        for key, p in signature.parameters.items()
        if p.kind is p.KEYWORD_ONLY and key not in ("in_shape", "out_shape")
    }


def options_schema(build: Callable[..., Any]) -> dict[str, Any]:
    """JSON Schema of a config's ``model`` section for this network: its name and its options."""
    sentences = read_argument_sentences(build.__doc__ or "")
    properties: dict[str, Any] = {"name": True}
    required = []
    for option, parameter in model_options(build).items():
        properties[option] = TypeAdapter(parameter.annotation).json_schema()
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


@cache
def _section_of(build: Callable[..., Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        key: (p.annotation, ... if p.default is p.empty else p.default) for key, p in model_options(build).items()
    }
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model("Options", __config__=strict, **fields)


def find_problems(build: Callable[..., Any], options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the options of a network, as (option, message) pairs."""
    try:
        _section_of(build).model_validate(options)
    except ValidationError as error:
        found: dict[str, list[dict[str, Any]]] = {}
        for each in error.errors():
            found.setdefault(str(each["loc"][0]), []).append(dict(each))
        return [(key, _explain(key, each, options.get(key), list(model_options(build)))) for key, each in found.items()]
    return []


def _explain(key: str, errors: list[dict[str, Any]], given: Any, known: list[str]) -> str:
    """The message for one option.  For `number | list` pydantic reports both; the type of `given` picks one."""
    of_lists = [error for error in errors if any(str(part).startswith("list") for part in error["loc"][1:])]
    chosen = of_lists if isinstance(given, list) and of_lists else [e for e in errors if e not in of_lists] or errors
    places = [part + 1 for part in chosen[0]["loc"][1:] if isinstance(part, int)]
    where = f"item {places[0]} " if places else ""
    or_list = ", or a list of such, one per layer" if of_lists and not isinstance(given, list) else ""
    return where + explain_problem(chosen[0], known) + or_list
