"""HTML pages that need nothing beside them: style sheet and script are inside, and allowed by their hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from srae.files import PACKAGE


class WebPage:
    """A template with its style sheets and scripts; templates escape whatever they are given.

    Args:
        template: file below the package, as `report/template.html`; the others likewise, and in this order.

    Attributes:
        css_hash, js_hash: what a content security policy calls the style sheet and the script.
    """

    def __init__(self, template: str, *, styles: Sequence[str], scripts: Sequence[str]) -> None:
        self._css, self._js = _joined(styles), _joined(scripts)
        self.css_hash, self.js_hash = _hash(self._css), _hash(self._js)
        self._environment = Environment(
            loader=FileSystemLoader(PACKAGE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = template

    def render(self, template: str | None = None, **values: Any) -> str:
        """The page, or another template, a part of it; beside `values` they find `css`, `js` and their hashes."""
        ours = {"css": Markup(self._css), "js": Markup(self._js)}  # not escaped
        hashes = {"css_hash": self.css_hash, "js_hash": self.js_hash}
        return self._environment.get_template(template or self._template).render(**ours, **hashes, **values)


def _joined(names: Sequence[str]) -> str:
    return "\n".join((PACKAGE / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
