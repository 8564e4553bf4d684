"""From the keys under `data:` to the section of the data set that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails

from srae.config.data_sets import DEFAULT, DataConfig, find_section, sections_by_name, who_knows
from srae.config.section import known_keys
from srae.errors import explain_problem


def read_section(values: Any) -> DataConfig:
    """The section of the data set that `values` names; all problems are reported at once.

    Pydantic's own union would put the name into the place of every problem and
    call a key of another data set "extra"; this function says which data set has the key.

    Raises:
        ValidationError: places are keys of the section.
    """
    if not isinstance(values, Mapping):
        return DataConfig.model_validate(values)  # a section passes, anything else raises
    section = find_section(values)
    if section is None:
        known = ", ".join(map(repr, sections_by_name()))
        wrong = InitErrorDetails(type="literal_error", loc=("name",), input=values["name"], ctx={"expected": known})
        raise ValidationError.from_exception_data("data", [wrong])
    try:
        return section.model_validate(values)
    except ValidationError as error:
        name = values.get("name", DEFAULT)
        details = [_explained(name, section, dict(problem)) for problem in error.errors()]
        raise ValidationError.from_exception_data("data", details) from None


def _explained(name: str, section: type[BaseModel], problem: dict[str, Any]) -> InitErrorDetails:
    """A problem of pydantic's, with the reason in words where a key is not known."""
    place, kind, context = problem["loc"], problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        (*parents, key), others = place, who_knows(str(place[0]))
        if others and not parents:
            reason = f"data set {name} has no {key}; it is a key of {', '.join(others)}"
        else:
            reason = explain_problem(problem, known_keys(section, parents))
        kind, context = "value_error", {"error": reason}
    return InitErrorDetails(type=kind, loc=place, input=problem["input"], ctx=context)


DataSection = Annotated[SerializeAsAny[DataConfig], BeforeValidator(read_section)]
"""The type of a field that holds the section of any data set."""
