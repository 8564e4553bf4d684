"""Find the model that a name means: a file, a run, or one of the shipped models.  No torch.

Shipped models are in this package, each NAME.safetensors with its card NAME.md;
`scripts/ship_weights.py` makes them.  What reads runs is imported where a run is meant: it takes a quarter of a second,
and `srae-upscale img.png` needs none of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from srae.errors import CheckpointError, ConfigError, did_you_mean
from srae.files import PACKAGE

FOLDER = PACKAGE / "checkpoints"
CHAINS = {1: ["p"], 2: ["x2"], 3: ["x3"], 4: ["x4"], 6: ["x3", "x2"], 8: ["x4", "x2"]}
"""Scale -> models that enlarge by it, one after the other."""
SHIPPED = "shipped:"


def shipped_models() -> dict[str, Path]:
    """Name -> file of every model that ships."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def resolve_model(name: str, runs_dir: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """A checkpoint file or a run folder, from a path, a run's name, or the name of a shipped model, in this order.

    After these come the runs of studies by their name, and of a study its best run.  ``shipped:x2`` is the shipped
    model, whatever files and runs there are.

    Args:
        say: told when a file or a run has the name of a shipped model, and which run of a study is taken.

    Raises:
        ConfigError: there is none, or several studies have one.
    """
    shipped = shipped_models()
    if name.startswith(SHIPPED) and name.removeprefix(SHIPPED) in shipped:
        return shipped[name.removeprefix(SHIPPED)]
    for path in (Path(name), runs_dir / name):
        if path.is_file() or (path / "config.yaml").is_file():
            if name in shipped:
                say(f"{name} is {path}, not the model that ships with srae: say {SHIPPED}{name} for that")
            return path
    if name in shipped:
        return shipped[name]
    from srae.runs.layout import find_in_studies, known_names, study_runs

    if run := find_in_studies(name, runs_dir):
        return run
    if runs := study_runs(name, runs_dir):
        best = _best_of(runs, name)
        say(f"{name} is a study: its best run is {best.name}")
        return best
    known = [*shipped, *known_names(runs_dir)]
    remedy = did_you_mean(name, known) or f"shipped models: {', '.join(shipped) or 'none'}; `srae runs` lists the runs"
    raise ConfigError(f"no model {name!r}", f"looked at {name}, {runs_dir / name} and the shipped models", remedy)


def _best_of(runs: Sequence[Path], study: str) -> Path:
    """The finished run with the highest accuracy or PSNR on val.

    Raises:
        ConfigError: no run is done, or they cannot be compared.
    """
    from srae.runs.reader import read_run

    summaries = {path: summary for path in runs if (summary := read_run(path).summary or {}).get("status") == "done"}
    if not summaries:
        raise ConfigError("no run of this study is finished", study, f"resume with: srae-train --resume {runs[0]}")
    if len({repr((s.get("data", {}).get("fingerprint"), s.get("protocol"))) for s in summaries.values()}) > 1:
        raise ConfigError("its runs differ in data or protocol, so none is the best", study, f"name one: {runs[0]}")

    def score(path: Path) -> float:
        val = summaries[path].get("val") or {}
        value = val.get("accuracy", val.get("psnr"))
        return -math.inf if value is None else value

    return max(summaries, key=score)


def find_models(names: Iterable[str], runs_dir: Path, say: Callable[[str], None]) -> list[Path]:
    """As `resolve_model`, and for a study all its finished runs; `say` is told which runs are left out.

    Raises:
        ConfigError: there is no such model, or no run of the study is done.
    """
    from srae.runs.layout import study_runs
    from srae.runs.reader import read_run

    models = []
    for name in names:
        runs = study_runs(name, runs_dir)
        done = [path for path in runs if (read_run(path).summary or {}).get("status") == "done"]
        if runs and not done:
            raise ConfigError("no run of this study is finished", name, f"resume with: srae-train --resume {runs[0]}")
        if len(done) < len(runs):
            say(f"left out, not done: {', '.join(path.name for path in runs if path not in done)}")
        models += done if runs else [resolve_model(name, runs_dir, say)]
    return models


def next_scale(times: float | Fraction | None) -> int:
    """The least scale of the shipped models that is at least this (None: 2).

    Raises:
        ConfigError: none enlarges so much.
    """
    wanted = 2 if times is None else times
    return next((scale for scale in sorted(CHAINS) if scale >= wanted), None) or _no_model(f"{float(wanted):g}")


def default_models(scale: int | None) -> list[Path]:
    """The shipped models that enlarge by `scale` (None: 2) when run one after the other.

    Raises:
        ConfigError: none ships for this scale.
    """
    wanted = 2 if scale is None else scale
    if wanted not in CHAINS:
        _no_model(str(wanted))
    return [FOLDER / f"{name}.safetensors" for name in CHAINS[wanted]]


def _no_model(times: str) -> NoReturn:
    scales = ", ".join(map(str, CHAINS))
    remedy = "name your own with --model, for example a run: srae-train --config upscalers/x2"
    raise ConfigError(f"no shipped model enlarges by {times}", f"shipped scales: {scales}", remedy)


def pick_models(
    name: str | None, scale: int | None, runs_dir: Path, say: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """The model of that name, else those that ship for the scale; several run one after the other.

    Raises:
        ConfigError: there is none.
    """
    return [resolve_model(name, runs_dir, say)] if name else default_models(scale)


def find_weights(path: Path) -> Path:
    """The file with the best weights of a run folder; a file is returned as it is.

    Raises:
        CheckpointError: the run has none yet.
    """
    if not path.is_dir():
        return path
    files = [path / "model.safetensors", path / "checkpoints" / "best.safetensors"]
    if not (path / "DONE").exists():  # resumed with more epochs: model.safetensors is older than best
        files.reverse()
    for file in files:
        if file.is_file():
            return file
    raise CheckpointError("this run has no weights yet", str(path), "wait for its first epoch, or resume it")
