"""srae from Python: `srae.train`, `srae.resume`.

Examples:
    run = srae.train("cnn4_tanh", {"train.epochs": 5}, data="data/isr855")
    run.summary["val"]["psnr"], run.metrics[-1]["val_mse"]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from srae.config.experiment import Config, find_ineffective
from srae.config.loading import dump_config, find_config, load_config, parse_section
from srae.config.yaml_text import dump_yaml
from srae.device import pick_device
from srae.errors import ResourceError, SraeError
from srae.files import check_writable
from srae.models import check_options
from srae.runs.changes import check_changes
from srae.runs.layout import check_name, find_run, name_from
from srae.runs.messages import result_lines
from srae.runs.reader import Run, read_config, read_rows, read_run
from srae.runs.writer import RunWriter, claim_run
from srae.training.checkpointer import has_progress
from srae.training.loop import OnEpoch, Say
from srae.training.prepare import prepare
from srae.training.run import train as train_session
from srae.training.session import Session


def train(
    config: str | Path | Mapping[str, Any] | Config,
    overrides: Mapping[str, Any] | None = None,
    *,
    data: str | Path | None = None,
    name: str | None = None,
    device: str = "auto",
    runs_dir: str | Path = "runs",
    on_epoch: OnEpoch = lambda row: None,
    say: Say = print,
) -> Run:
    """Train a network into a new run folder, exactly as `srae train` does, and return the run.

    Args:
        config: a YAML, the name of a shipped config, a mapping with the keys of one, or a `Config`.
        overrides: dotted key -> value, for example ``{"train.epochs": 5}``.
        data: folder of images, instead of the one in the config.
        name: of the run; the config's name without it, `run` for a mapping.  A taken name gets a number.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        on_epoch: called with each row of metrics.csv; when it returns True, the training ends early.
        say: called with each line of log.txt.

    Raises:
        ConfigError: everything that is wrong with the config.
        DataError: everything that is wrong with the images.
        ResourceError: no such device, memory or disk full.
        DivergedError: the loss or a gradient is not finite.
        Interrupted: a signal, such as a notebook's stop button, after everything was saved; see `resume`.
    """
    read, default = _read(config, overrides or {})
    name = check_name(name) if name else name_from(default)
    check_writable(Path(runs_dir))
    if data is not None:
        read = read.model_copy(update={"data": read.data.at(str(data))})
    session = prepare(read, pick_device(device), runs_dir=Path(runs_dir))
    with closing(claim_run(Path(runs_dir), name)) as writer:
        fit(session, writer, say, on_epoch=on_epoch)
    return read_run(writer.path)


def resume(
    run: str | Path | Run,
    overrides: Mapping[str, Any] | None = None,
    *,
    device: str = "auto",
    runs_dir: str | Path = "runs",
    on_epoch: OnEpoch = lambda row: None,
    say: Say = print,
) -> Run:
    """Continue a run exactly where it stopped, as `srae train --resume` does; see `train` for arguments and errors.

    Args:
        run: by name, folder, or as `train` or `load_run` returned it.
        overrides: only more epochs and the like may change.
    """
    overrides = overrides or {}
    check_changes(overrides, renamed=False, allow_changed=False)
    folder = run.path if isinstance(run, Run) else find_run(str(run), Path(runs_dir))
    with closing(RunWriter(folder)) as writer:
        config = read_config(folder, _as_words(overrides))
        going_on = has_progress(writer)
        session = prepare(config, pick_device(device), resume=going_on, runs_dir=Path(runs_dir))
        fit(session, writer, say, resume=True, on_epoch=on_epoch)
    return read_run(folder)


def fit(
    session: Session,
    writer: RunWriter,
    say: Say,
    *,
    resume: bool = False,
    allow_changed: bool = False,
    on_epoch: OnEpoch = lambda row: None,
) -> dict[str, Any]:
    """Train and draw plots; all lines and errors also go to log.txt of the run.  Returns the summary."""

    def tell(text: str) -> None:
        say(text)
        writer.log(text)

    try:
        tell(f"run       {writer.path}")
        summary = train_session(session, writer, tell, resume=resume, allow_changed=allow_changed, on_epoch=on_epoch)
        if not session.peers.is_first:
            return summary
        from srae.report.curves import draw_run  # Matplotlib is no cost of a training that cannot start

        try:
            draw_run(writer.path)
        except ResourceError as error:
            tell(f"warning: no plots: {error.what}, {error.where}")
        tell(result_lines(summary, str(writer.path), read_rows(writer.path)))
    except SraeError as error:
        writer.log(str(error))
        raise
    return summary


def _read(config: str | Path | Mapping[str, Any] | Config, overrides: Mapping[str, Any]) -> tuple[Config, str]:
    """The config, and what its run is called."""
    words = _as_words(overrides)
    if isinstance(config, str | Path):
        file = find_config(str(config))
        return load_config(file, words, check_options=check_options), file.stem
    text = dump_config(config) if isinstance(config, Config) else dump_yaml(dict(config))
    read = parse_section(Config, text, "config", words, check_options=check_options, find_more=find_ineffective)
    return read, "run"


def _as_words(overrides: Mapping[str, Any]) -> list[str]:
    """Each as `--set` has it; JSON is YAML."""
    return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
