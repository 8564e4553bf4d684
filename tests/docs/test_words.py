"""One word a thing in strings, docstrings and comments of the source; `test_commands` holds the pages to it."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "srae"

OTHER_WORDS = (
    r"pictures?|figures?|copied features?|(?:low|high) sides?|course of the rate|bound to|returning the input|"
    r"JPEG marks|equal to the bit|the same bits|a wish|house|rooms?|floors?|habits?|lest|whom"
)
"""What the source has other words for; `code` in backticks may be called otherwise."""
CONTRACTS = {
    "report/confusion.py": {'"pictures"'},  # a column of its CSV
    "report/html.py": {'"figures"'},  # a folder of a report
    "report/parts.py": {'"figures"', '"figure"'},  # the same; the numbered figures in its page
    "report/latex.py": {'"figures"', "figures.tex", "/figures/#1", "/figures/figures}", "{figure}"},  # and in LaTeX
    "report/canvas.py": {'"figure.figsize"'},  # matplotlib's own
    "report/words.py": {'"figure"', '"Figure"', "Figure {number}.", " figures/ "},
    "cli/report.py": {" figures/,"},
    "report/phrases.py": {'"returning the input"'},  # what run folders hold as name of the baseline
    "models/baselines.py": {'"returning the input"'},
    "runs/messages.py": {'"returning the input"'},
    "runs/reader.py": {'"returning the input"'},
    "data/layouts.py": {'"high side alone"'},  # `layout` in the JSON of `srae data check`
    "images/jpeg_segments.py": {"multi-picture"},  # the standard's own name
}
"""Text of a file that may hold such a word: contracts with run folders and scripts."""


def other_words(text: str, allowed: set[str]) -> list[str]:
    """Lines of strings, docstrings and comments with a word of `OTHER_WORDS`, but for what is allowed."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT) or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            for line in token.string.splitlines():
                rest = line
                for contract in allowed:
                    rest = rest.replace(contract, "")
                rest = re.sub(r"`[^`\n]*`|\{[^{}]*\}", "", rest)  # code; before Python 3.12 f-strings hold theirs
                found += [line.strip()] * bool(re.search(rf"(?i)\b(?:{OTHER_WORDS})\b", rest))
    return found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_one_word_a_thing_in_the_source(file: Path) -> None:
    allowed = CONTRACTS.get(file.relative_to(SOURCE).as_posix(), set())
    assert other_words(file.read_text(encoding="utf-8"), allowed) == []


def test_other_words_are_found_where_they_stand() -> None:
    text = 'picture = 1\n"""A picture."""\nx = "two rooms"  # the low side\ny = f"{picture} `figure`"\n'
    assert len(other_words(text, set())) == 3 and len(other_words(text, {"rooms"})) == 2
