"""Train the network of a YAML into a run folder, or resume a run.

The folder gets the resolved config, one row of metrics per epoch, checkpoints,
curves and sample strips; it is never overwritten.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from srae.cli import print_json, say
from srae.errors import ConfigError

if TYPE_CHECKING:
    from srae.config.experiment import Config
    from srae.runs.writer import RunWriter
    from srae.training.session import Session

EXAMPLES = """
  srae-train --config configs/cnn4_tanh.yaml
  srae-train --config residual --set train.epochs=5 --data data/isr855
  srae-train --resume runs/cnn4_tanh
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML|NAME", help="experiment: a file, or the name of a shipped config")
    parser.add_argument("--resume", metavar="RUN", help="continue this run exactly where it stopped")
    parser.add_argument("--data", metavar="FOLDER", help="folder of images, instead of the one in the config")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="override a key of the config; repeatable"
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder that holds the run folders")
    parser.add_argument("--name", metavar="NAME", help="name of the run (default: the config's)")
    parser.add_argument(
        "--allow-changed", action="store_true", help="resume although the data or the batch size changed"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and time three steps, but do not train"
    )
    parser.add_argument("--json", action="store_true", help="print the run's summary as JSON")


def run(args: argparse.Namespace) -> int:
    if bool(args.config) == bool(args.resume):
        raise ConfigError("give either --config or --resume", None, "for example: srae-train --config cnn4_tanh")
    if args.resume:
        config, writer = _reopen(args)
    else:
        file, name = _find(args)

    # torch is imported from here on; a wrong command line or an invalid YAML was reported without it
    from srae.config.loading import load_config
    from srae.device import pick_device
    from srae.memory import keep_freed_memory
    from srae.models import check_options
    from srae.runs.writer import claim_run
    from srae.training.api import fit
    from srae.training.checkpointer import has_progress
    from srae.training.prepare import prepare

    keep_freed_memory()
    device = pick_device(args.device)
    if not args.resume:
        config = load_config(file, args.set, check_options=check_options)
    if args.data:
        config = config.model_copy(update={"data": config.data.at(_text(args.data))})
    resume = bool(args.resume)
    session = prepare(config, device, resume=resume and has_progress(writer), runs_dir=Path(args.runs_dir))
    if args.dry_run:
        return _show_plan(session, json=args.json)
    if not args.resume:  # last, so that a run that cannot start leaves no folder
        writer = claim_run(Path(args.runs_dir), name)
    with closing(writer):
        summary = fit(session, writer, say, resume=resume, allow_changed=args.allow_changed)
    if args.json:
        print_json({**summary, "run": str(writer.path)})
    return 0


def _reopen(args: argparse.Namespace) -> tuple[Config, RunWriter]:
    """The run of --resume, locked, and its config with the overrides that are allowed."""
    from srae.runs.changes import check_changes
    from srae.runs.layout import find_run
    from srae.runs.reader import read_config
    from srae.runs.writer import RunWriter

    keys = [*(override.split("=")[0] for override in args.set), *(["data.folder"] if args.data else [])]
    check_changes(keys, renamed=bool(args.name), allow_changed=args.allow_changed)
    folder = find_run(args.resume, Path(args.runs_dir))
    return read_config(folder, args.set), RunWriter(folder)


def _find(args: argparse.Namespace) -> tuple[Path, str]:
    """The YAML of --config, and the name of its run."""
    from srae.config.loading import find_config
    from srae.config.yaml_text import parse_yaml, read_text
    from srae.files import check_writable
    from srae.runs.layout import check_name, name_from

    file = find_config(args.config)
    name = check_name(args.name) if args.name else name_from(file.stem)
    parse_yaml(read_text(file), str(file))
    if not args.dry_run:
        check_writable(Path(args.runs_dir))
    return file, name


def _show_plan(session: Session, *, json: bool) -> int:
    from srae.training.session import start_lines

    for line in [*session.data.notes, *start_lines(session)]:
        say(line)
    if json:
        print_json({"expected_seconds": session.expected_seconds})
    return 0


def _text(folder: str) -> str:
    """Raises ConfigError where config.yaml could not hold the name of the folder."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        raise ConfigError("is not valid Unicode text", f"--data {folder!r}", "rename the folder") from None
    return folder
