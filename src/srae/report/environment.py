"""Where and how the runs of a report were trained: what its reader needs to train them again, and to cite srae."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from srae import __version__
from srae.report.numbers import typeset
from srae.report.words import Words
from srae.runs.messages import describe_seconds
from srae.runs.reader import Run

MOST_COMMANDS = 12
TITLE, AUTHOR = "srae: an experiment suite for super-resolution autoencoders", "srae authors"
"""As in CITATION.cff, which is not in a wheel."""
_LIBRARIES = {"srae": "srae", "python": "Python", "torch": "PyTorch", "numpy": "NumPy", "pillow": "Pillow",
              "cuda": "CUDA"}  # fmt: skip


def environment_facts(runs: Sequence[Run], words: Words) -> list[tuple[str, str]]:
    """Name and value of what is known: dates, machine, threads, versions, seeds, time; several values with commas."""
    found = [_environment(run) for run in runs]
    seconds = [(run.summary or {}).get("seconds") for run in runs]
    known = [value for value in seconds if isinstance(value, int | float)]
    total = describe_seconds(sum(known)) if known else ""
    versions = (f"{name} {', '.join(_all(found, key))}" for key, name in _LIBRARIES.items() if _all(found, key))
    facts = {
        "trained": " – ".join(_ends(value[:10] for value in _all(found, "started"))),
        "machine": "; ".join(dict.fromkeys(text for each in found if (text := _machine(each, words)))),
        "threads": ", ".join(_all(found, "threads")),
        "versions": ", ".join(versions),
        "commit": ", ".join(_all(found, "git")),
        "seeds_used": ", ".join(
            map(str, sorted({seed for run in runs if (seed := (run.config or {}).get("seed")) is not None}))
        ),
        "time_in_all": words["time_of"].format(time=typeset(total, words), runs=len(known)) if total else "",
    }
    return [(words[key], value) for key, value in facts.items() if value]


def commands_of(runs: Iterable[Run]) -> list[str]:
    """The commands that train these runs again: of a study the one that runs it; at most `MOST_COMMANDS`."""
    commands: dict[str, None] = {}
    for run in runs:
        study = run.path.parent / "study.yaml"
        command = f"srae study {run.path.parent.name}.yaml" if study.is_file() else _environment(run).get("command")
        if isinstance(command, str):
            commands[command] = None
    return [*list(commands)[:MOST_COMMANDS], *(["…"] if len(commands) > MOST_COMMANDS else [])]


def studies_of(runs: Iterable[Run]) -> dict[str, str]:
    """Name -> YAML of every study that a run belongs to."""
    files = dict.fromkeys(run.path.parent / "study.yaml" for run in runs)
    return {f"{file.parent.name}.yaml": text for file in files if (text := _read(file))}


def bibtex() -> str:
    """An entry for the bibliography of a paper."""
    fields = {"title": f"{{{TITLE}}}", "author": f"{{{AUTHOR}}}", "version": __version__, "note": "MIT licence"}
    lines = [f"  {key:<7} = {{{value}}}," for key, value in fields.items()]
    return "\n".join(["@software{srae,", *lines, "}"])


def _environment(run: Run) -> dict[str, Any]:
    """What environment.json holds; empty if it is missing or damaged."""
    try:
        found = json.loads(_read(run.path / "environment.json") or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _all(found: Iterable[dict[str, Any]], key: str) -> list[str]:
    """The different values of a key as text, in order."""
    return list(dict.fromkeys(str(each[key]) for each in found if each.get(key) is not None))


def _ends(dates: Iterable[str]) -> list[str]:
    ordered = sorted(dates)
    return list(dict.fromkeys([*ordered[:1], *ordered[-1:]]))


def _machine(environment: dict[str, Any], words: Words) -> str:
    """``AMD EPYC 7B13 (16 cores), NVIDIA H100``; of older runs the device alone."""
    cpu, cores, device = (environment.get(key) for key in ("cpu", "cores", "device"))
    names = [str(cpu) + (f" ({cores} {words['cores']})" if cores else "")] if cpu else []
    if device and device != cpu:
        names.append(str(device))
    return ", ".join(names)
