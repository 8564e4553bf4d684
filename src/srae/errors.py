"""The errors a user can cause, each with the exit code that scripts rely on.

A message has three short lines: what is wrong, where (file:line:key, or file
and split), and what to do about it.  Any other exception is a bug of srae and
exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class SraeError(Exception):
    """Base class of all errors that srae raises on purpose.

    Args:
        what: what is wrong, one line.
        where: the place, e.g. ``configs/a.yaml:3: train.epochs``.
        remedy: what the user can do now.
    """

    exit_code = 1

    def __init__(self, what: str, where: str | None = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__("\n".join(line for line in (what, where, remedy) if line))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: a user's mistake is in none of the frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(SraeError):
    """Wrong command line or wrong YAML."""

    exit_code = 2


class DataError(SraeError):
    """Images or folders that cannot be used as they are."""

    exit_code = 3


class PartialError(SraeError):
    """Some of the files or runs were done, others failed."""

    exit_code = 4


class ResourceError(SraeError):
    """Disk, memory, device or permission is missing."""

    exit_code = 5


class PeerError(ResourceError):
    """Another process of the same training has ended, or cannot be reached; an instance may have its exit code."""


class DivergedError(SraeError):
    """The loss became infinite or not a number."""

    exit_code = 6


class CheckpointError(SraeError):
    """A checkpoint that is damaged, of another program, or of another network."""

    exit_code = 7


class RunBusyError(SraeError):
    """Another process is writing there: into a run folder, a study, or the cache of decoded images."""

    exit_code = 8


class Interrupted(SraeError):
    """Stopped by a signal after a clean save; the exit code is 128 + the signal."""

    def __init__(self, signal_number: int, what: str, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what, where, remedy)
        self.exit_code = 128 + signal_number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean X?`` or the empty string; case is ignored."""
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]}?" if close else ""


_PLAIN = {
    "int_type": "needs a whole number",
    "float_type": "needs a number",
    "string_type": "needs text",
    "bool_type": "needs true or false",
    "list_type": "needs a list, e.g. [1, 2]",
    "model_type": "needs keys of its own",
    "finite_number": "needs a finite number",
}


def explain_problem(error: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """One problem of pydantic as a plain sentence.

    Args:
        error: of `ValidationError.errors()`.
        known: valid keys, for an unknown key.
    """
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        key = str(error["loc"][-1])
        return f"unknown key; {did_you_mean(key, known) or 'known keys: ' + ', '.join(known)}"
    if kind == "literal_error":
        expected = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"{show_value(given)} is not one of {', '.join(expected)}. {did_you_mean(str(given), expected)}".strip()
    if kind in ("too_short", "too_long"):
        side, bound = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return f"needs {side} {error['ctx'][bound]} items, not {show_value(given)}"
    if kind in _PLAIN:
        return f"{_PLAIN[kind]}, not {show_value(given)}"
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    return message if kind == "value_error" else f"{message}, not {show_value(given)}"


def show_value(given: Any) -> str:
    """A value as YAML writes it, cut to 60 characters."""
    words = {None: "nothing", True: "true", False: "false"}
    text = words[given] if given is None or isinstance(given, bool) else repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
