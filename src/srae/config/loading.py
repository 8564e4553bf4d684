"""YAML <-> `Config`; `--set` overrides.

All problems of a file are collected and raised once, each with its line and, for
a misspelt key, a suggestion.  The options of networks are checked in `models`:
with `check_options` (see `models.check_options`) their problems are reported too;
without it no torch is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from srae.config.data_sets import without_foreign_keys
from srae.config.experiment import Config, find_ineffective
from srae.config.section import Section, known_keys
from srae.config.stored import upgrade_stored
from srae.config.yaml_text import ConfigProblem, Key, dump_yaml, parse_yaml, read_text
from srae.errors import ConfigError, did_you_mean, explain_problem, show_value
from srae.files import CHECKOUT, PACKAGE

CONFIG_FOLDERS = (PACKAGE / "configs", CHECKOUT / "configs")

CheckOptions = Callable[[str, dict[str, Any]], list[tuple[str, str]]]

SectionType = TypeVar("SectionType", bound=Section)


def find_config(name: str, beside: Path | None = None) -> Path:
    """A path, or the bare name of a shipped YAML (``cnn4_tanh``, ``studies/report_a``).

    Args:
        beside: a folder in which it is looked up first, also without ``.yaml``.

    Raises:
        ConfigError: neither exists; names the closest file there, or the closest shipped one.
    """
    folder = beside or Path()
    for path in (folder / name, Path(name), *([folder / f"{name}.yaml"] if beside else [])):
        if path.is_file():
            return path
    folders = reversed(CONFIG_FOLDERS)  # of two files with one name the file in the package wins
    shipped = {p.relative_to(f).with_suffix("").as_posix(): p for f in folders for p in f.rglob("*.yaml")}
    bare = name.removesuffix(".yaml")
    if bare in shipped:
        return shipped[bare]
    by_stem = [p for key, p in shipped.items() if key.rsplit("/", 1)[-1] == bare]
    if len(by_stem) == 1:
        return by_stem[0]
    if by_stem:
        matches = ", ".join(sorted(key for key, p in shipped.items() if p in by_stem))
        raise ConfigError(f"several shipped configs are called {bare}", None, f"name one of {matches}")
    own = Path(f"{bare}.yaml")  # a bare name never hides a shipped one
    if own.is_file():
        return own
    near = [path.name for path in (folder / own).parent.glob("*.yaml")]
    close = did_you_mean(own.name, near) or did_you_mean(bare, [*shipped, *(key.rsplit("/", 1)[-1] for key in shipped)])
    some, more = sorted(shipped, key=lambda key: (key.count("/"), key))[:12], len(shipped) - 12
    told = f"shipped configs: {', '.join(some)}" + (f" and {more} more" if more > 0 else "")
    raise ConfigError(f"no such config: {name}", None, close or told)


def load_config(
    path: str | Path, overrides: Sequence[str] = (), *, check_options: CheckOptions | None = None
) -> Config:
    """Read, override and check one YAML.

    Args:
        path: file, or bare name of a shipped config.
        overrides: ``train.epochs=5`` and the like, in the YAML's own notation.
        check_options: ``(model name, options) -> [(option, problem), ...]``.

    Raises:
        ConfigError: lists every problem with file, line and key.
    """
    file = find_config(str(path))
    text = read_text(file)
    return parse_section(Config, text, str(file), overrides, check_options=check_options, find_more=find_ineffective)


def parse_config(
    text: str,
    source: str,
    overrides: Sequence[str] = (),
    *,
    check_options: CheckOptions | None = None,
    stored: bool = False,
) -> Config:
    """As `load_config`, from text; `source` names it in messages.

    Args:
        stored: it is a run's config.yaml, perhaps of an older srae, see `upgrade_stored`.
    """
    return parse_section(Config, text, source, overrides, check_options=check_options, stored=stored)


def parse_section(
    kind: type[SectionType],
    text: str,
    source: str,
    overrides: Sequence[str] = (),
    *,
    check_options: CheckOptions | None = None,
    find_more: Callable[[Section], Sequence[ConfigProblem]] = lambda _: (),
    stored: bool = False,
) -> SectionType:
    """Parse a YAML as any section; `parse_config` does so for a complete experiment.

    Args:
        find_more: finds problems of a section whose values are valid one by one.
    """
    value, lines, problems = parse_yaml(text, source)
    if not isinstance(value, dict):
        raise ConfigError("a config is a mapping of keys", source, "start from a file in configs/")
    if stored:
        value = upgrade_stored(value)
    sources: dict[Key, str] = {}
    for override in overrides:
        _apply(value, override, sources)
    if ("data", "name") in sources:  # another data set: drop the keys of the file's own one
        value["data"] = without_foreign_keys(value["data"], [str(key[1]) for key in sources if key[0] == "data"])
    section: SectionType | None = None
    try:
        section = kind.model_validate(value)
        problems += find_more(section)
    except ValidationError as error:
        problems += [(tuple(e["loc"]), _explain(kind, tuple(e["loc"]), dict(e))) for e in error.errors()]
    model = value.get("model")
    if check_options and isinstance(model, dict) and isinstance(model.get("name"), str):
        options = {key: option for key, option in model.items() if key != "name"}
        problems += [(("model", key), text) for key, text in check_options(model["name"], options)]
    if problems:
        _raise(problems, source, lines, sources)
    assert section is not None
    return section


def _apply(value: dict[str, Any], override: str, sources: dict[Key, str]) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise ConfigError(f"--set needs KEY=VALUE, not {override!r}", None, "for example --set train.epochs=5")
    *parents, last = dotted.split(".")
    for depth, name in enumerate(parents, start=1):
        if value.get(name) is None:  # absent, or `degrade: null`
            value[name] = {}
            sources[tuple(parents[:depth])] = f"--set {override}"
        value = value[name]
        if not isinstance(value, dict):
            raise ConfigError(f"{name} has no keys of its own", f"--set {override}", "`srae schema` lists every key")
    value[last], _, problems = parse_yaml(text, f"--set {dotted}")
    if problems:
        raise ConfigError(problems[0][1], f"--set {override}", "give each key once")
    place = (*parents, last)
    sources[place] = f"--set {override}"


def _explain(root: type[BaseModel], key: Key, error: dict[str, Any]) -> str:
    return explain_problem(error, known_keys(root, key[:-1]) if error["type"] == "extra_forbidden" else ())


def _dotted(key: Key) -> str:
    """``train.epochs``; a key with control characters or endless length cannot spoil the terminal."""
    return ".".join(str(k) if str(k).isprintable() and len(str(k)) <= 60 else show_value(k) for k in key) or "config"


def _raise(problems: list[ConfigProblem], source: str, lines: dict[Key, int], sources: dict[Key, str]) -> None:
    told = []
    for key, message in problems:
        places = [key[:length] for length in range(len(key), -1, -1)]
        line = next((lines[place] for place in places if place in lines), 1)
        where = next((sources[place] for place in places if place in sources), f"{source}:{line}")
        told.append((line, f"{where}: {_dotted(key)}: {message}"))
    told.sort(key=lambda item: item[0])
    count = f"{len(told)} problems" if len(told) > 1 else "1 problem"
    raise ConfigError(
        f"{count} in the config", "\n".join(text for _, text in told), "`srae schema` lists every key and its meaning"
    )


def dump_config(config: Config) -> str:
    """The resolved YAML, every default written out; `parse_config` gives the same Config back."""
    return dump_yaml(config.model_dump())  # mode="json" would write infinite options as null
