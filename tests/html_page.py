"""A page of HTML as a browser takes it apart."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """Tags with their attributes, the text outside of scripts and styles, and what is inside of them."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.inside = "", ""
        self.contents = {"script": "", "style": ""}
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag if tag in self.contents else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.contents[self.inside] += data
        else:
            self.text += data

    def digest(self, kind: str) -> str:
        """What the policy of a page calls its script or style."""
        return f"sha256-{base64.b64encode(hashlib.sha256(self.contents[kind].encode()).digest()).decode()}"
