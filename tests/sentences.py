"""Which of a report's sentences were said, by their keys: their words are free to change."""

from __future__ import annotations

import re
from collections.abc import Iterable

from srae.report.words import words_of


def said_of(key: str, texts: Iterable[str], language: str = "en") -> list[str]:
    """The sentences that `words[key]` gives, whatever fills its gaps."""
    pieces = re.split(r"\{[^}]*\}", words_of(language)[key])
    pattern = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
    return [text for text in texts if pattern.fullmatch(text)]
