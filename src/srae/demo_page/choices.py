"""Which models the page offers: those that ship, and the runs that map images to images.  No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from srae.checkpoints.shipped import SHIPPED, shipped_models
from srae.runs.layout import list_runs, list_studies
from srae.runs.reader import Run, describe_run, read_run

_WEIGHTS = ("model.safetensors", "checkpoints/best.safetensors")
_FIRST = "x2"


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen.

    Attributes:
        key: what a request calls it, and `srae-upscale --model`.
        name: what the page calls it.
        path: file or run folder.
        about: a sentence or two for the user.
    """

    key: str
    name: str
    path: Path
    about: str


def list_choices(runs_dir: Path) -> dict[str, list[Choice]]:
    """Heading -> models; the first one is what `srae-upscale` takes by default.  Read anew for every page."""
    shipped = [Choice(SHIPPED + name, name, path, _read_card(path)) for name, path in shipped_models().items()]
    shipped.sort(key=lambda choice: choice.name != _FIRST)
    groups = {"models that ship": shipped}
    for folder, paths in {runs_dir: list_runs(runs_dir), **list_studies(runs_dir)}.items():
        runs = [run for path in paths if _maps_images(run := read_run(path))]
        if runs:
            heading = f"runs in {folder}"
            groups[heading] = [Choice(str(run.path), run.name, run.path, _describe(run)) for run in runs]
    return groups


def find_choice(key: str, runs_dir: Path) -> Choice | None:
    """The model that a request names, out of those that the page offers: no other file is ever opened."""
    return next((one for group in list_choices(runs_dir).values() for one in group if one.key == key), None)


def _read_card(weights: Path) -> str:
    """The paragraph below the title of its card, without commands."""
    paragraph = weights.with_suffix(".md").read_text(encoding="utf-8").split("\n\n")[1]
    return re.sub(": `srae-[^`]*`", "", paragraph).replace("`", "")


def _maps_images(run: Run) -> bool:
    """Whether it has weights, and takes and gives images of one or three channels."""
    config = run.config or {}
    channels = (config.get("data") or {}).get("channels")
    if not config or config.get("task") == "classification" or (isinstance(channels, int) and channels != 3):
        return False
    return any((run.path / name).is_file() for name in _WEIGHTS)


def _describe(run: Run) -> str:
    facts = describe_run(run)
    score = f"{facts['val_psnr']:.2f} dB on val" if facts["val_psnr"] is not None else ""
    return ", ".join(filter(None, (facts["status"], str(facts["data"] or ""), score)))
