"""Base of all sections of a YAML: frozen, strict, and without unknown keys; a type of key that is checked at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    # `srae schema` prints the docstring under each field.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def known_keys(section: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys of the section at a place inside `section`; for example those of `train` in a config."""
    for name in place:
        annotation = section.model_fields[str(name)].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        section = next(kind for kind in kinds if issubclass(kind, BaseModel))
    return list(section.model_fields)


def check_pattern(text: str) -> str:
    """The text, which is a regular expression.

    Raises:
        ValueError: it is none.
    """
    try:
        re.compile(text)
    except (re.error, OverflowError) as error:
        raise ValueError(f"{text} is no regular expression: {error}") from None
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(check_pattern)]
"""A key whose value is a regular expression."""
