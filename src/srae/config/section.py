"""Base of all sections of a YAML: frozen, strict, and without unknown keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pydantic import BaseModel, ConfigDict


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
