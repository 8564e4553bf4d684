"""YAML text <-> plain values, with the line of every key.  The only file that calls PyYAML.

Stricter than PyYAML and read by the YAML 1.2 core schema: `1e-3` is a number,
`on` and `off` are text, duplicate keys are problems, and what a config never
needs (tags, anchors, huge size or depth) is refused before any value is built.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from srae.errors import ConfigError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast, and not in every build
MAX_BYTES = 64 * 1024
MAX_DEPTH = 16

Key = tuple[str | int, ...]
ConfigProblem = tuple[Key, str]
"""(key, message)"""

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}


def _scalar(text: str) -> Any:
    """A plain scalar by the YAML 1.2 core schema: 1e-3 is a number, on/off/yes are text."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text) and len(text) < 400:  # int() refuses thousands of digits; a float becomes inf
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def check_size(size: int, source: str) -> None:
    """Refuse huge files; PyYAML takes seconds for a few hundred KB."""
    if size > MAX_BYTES:
        raise ConfigError(f"config is larger than {MAX_BYTES // 1024} KB", source, "a config is a page of text")


def read_text(file: Path) -> str:
    """The text of a YAML.

    Raises:
        ConfigError: not there, too large, or not UTF-8.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        check_size(len(data), str(file))
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("not a text file in UTF-8", str(file), "save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read: {error.strerror}", str(file)) from None


def parse_yaml(text: str, source: str) -> tuple[Any, dict[Key, int], list[ConfigProblem]]:
    """Value, line of every key, and the problems (duplicate keys) of one document.

    Raises:
        ConfigError: not YAML, or YAML with tags, anchors, or absurd size or depth.
    """
    check_size(len(text), source)
    try:
        _refuse_hostile(text, source)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        where = f"{source}:{_line(mark)}" if mark else source
        raise ConfigError(f"not valid YAML: {what}", where, "indent with spaces, one `key: value` a line") from None
    lines: dict[Key, int] = {}
    problems: list[ConfigProblem] = []

    def build(node: yaml.Node, key: Key) -> Any:
        lines.setdefault(key, _line(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for name_node, value_node in node.value:
                line = _line(name_node.start_mark)
                if not isinstance(name_node, yaml.ScalarNode):
                    raise ConfigError(
                        "a list or mapping cannot be a key", f"{source}:{line}", "one `key: value` a line"
                    )
                name = name_node.value
                if name in result:
                    problems.append(((*key, name), f"duplicate key (line {line} again)"))
                lines.setdefault((*key, name), line)
                result[name] = build(value_node, (*key, name))
            return result
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*key, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), node
        if any(
            "\ud800" <= letter <= "\udfff" for letter in node.value
        ):  # from an escape; it cannot be encoded in a file
            problems.append((key, "is not valid Unicode text"))
        return node.value if node.style else _scalar(node.value)

    return (build(node, ()) if node is not None else None), lines, problems


def _refuse_hostile(text: str, source: str) -> None:
    """Check events one by one, without recursion, so that depth and aliases cost nothing."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"{source}:{_line(event.start_mark)}"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH}", where, "a config has two levels")
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            raise ConfigError("anchors and aliases are not accepted", where, "write the value out")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise ConfigError(f"tag {tag} is not accepted", where, "write a plain value")


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


class _Dumper(yaml.SafeDumper):
    """Quotes text that our reader would parse as a number (``1e-3``); PyYAML's own dumper does not."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(_scalar(text), str) else "'"
    if "\x85" in text:  # a Unicode line break that PyYAML writes unescaped and reads as a space
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """YAML that `parse_yaml` reads back as the same value; keys keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
