"""Train the network of a YAML into a run folder, or go on with one.

The folder gets the resolved config, one row of metrics per epoch, checkpoints,
curves and sample strips; it is never overwritten.
"""

from __future__ import annotations

import argparse

from srae.cli import print_json, say
from srae.errors import ConfigError, ResourceError, SraeError

EXAMPLES = """
  srae-train --config configs/cnn4_tanh.yaml
  srae-train --config residual --set train.epochs=5 --data data/isr855
  srae-train --resume runs/cnn4_tanh
"""

CHANGEABLE = ("train.epochs", "train.patience", "train.checkpoint_every")
"""What a resumed run may be given anew."""
ON_DEMAND = ("train.batch_size", "data.")
"""What it may be given with --allow-changed; a key, or the beginning of one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML|NAME", help="experiment: a file, or the name of a shipped one")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run, exactly where it stopped")
    parser.add_argument("--data", metavar="FOLDER", help="folder of pictures in place of the config's")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="override a key of the config; repeatable"
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps (default: auto)",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder that holds the run folders")
    parser.add_argument("--name", metavar="NAME", help="name of the run (default: the config's)")
    parser.add_argument(
        "--allow-changed", action="store_true", help="resume although the data or the batch size are others"
    )
    parser.add_argument("--dry-run", action="store_true", help="only check everything and time three steps")
    parser.add_argument("--json", action="store_true", help="print the run's summary as JSON")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from srae.config.loading import find_config, load_config
    from srae.config.yaml_text import parse_yaml, read_text
    from srae.files import check_writable
    from srae.runs.layout import check_name, find_run
    from srae.runs.reader import read_config
    from srae.runs.writer import RunWriter, claim_run

    if bool(args.config) == bool(args.resume):
        raise ConfigError("name one of --config and --resume", None, "for example: srae-train --config cnn4_tanh")
    overrides, runs_dir = list(args.set), Path(args.runs_dir)
    if args.resume:
        keys = [*(override.split("=")[0] for override in overrides), *(["data.folder"] if args.data else [])]
        changed = [key for key in keys if key not in CHANGEABLE]
        if args.name or not all(args.allow_changed and key.startswith(ON_DEMAND) for key in changed):
            may = f"only these may change: --set {', '.join(CHANGEABLE)}"
            asked = "; with --allow-changed also --data, --set data..., --set train.batch_size"
            raise ConfigError("a resumed run keeps its config", None, may + asked)
        folder = find_run(args.resume, runs_dir)
        config = read_config(folder, overrides)
        writer = RunWriter(folder)
    else:
        file = find_config(args.config)
        name = check_name(args.name or file.stem)
        parse_yaml(read_text(file), str(file))
        if not args.dry_run:
            check_writable(runs_dir)

    # torch is imported from here on: a wrong command line, or a file that is no YAML, is told before
    from srae.device import keep_freed_memory, pick_device
    from srae.models import check_options
    from srae.report.figures import draw_run
    from srae.runs.messages import result_lines
    from srae.training.checkpointer import has_progress
    from srae.training.loop import train
    from srae.training.prepare import prepare
    from srae.training.session import start_lines

    keep_freed_memory()
    device = pick_device(args.device)
    if not args.resume:
        config = load_config(file, overrides, check_options=check_options)
    if args.data:
        config = config.model_copy(update={"data": config.data.at(_text(args.data))})
    session = prepare(config, device, resume=bool(args.resume) and has_progress(writer))
    if args.dry_run:
        for line in start_lines(session):
            say(line)
        if args.json:
            print_json({"expected_seconds": session.expected_seconds})
        return 0
    if not args.resume:  # only now: a run that cannot start leaves no folder
        writer = claim_run(runs_dir, name)

    def tell(text: str) -> None:
        say(text)
        writer.log(text)

    try:
        tell(f"run       {writer.path}")
        summary = train(session, writer, tell, resume=bool(args.resume), allow_changed=args.allow_changed)
        try:
            draw_run(writer.path)
        except ResourceError as error:
            tell(f"warning: no figures: {error.what}, {error.where}")
        tell(result_lines(summary, str(writer.path)))
    except SraeError as error:
        writer.log(str(error))
        raise
    finally:
        writer.close()
    if args.json:
        print_json({**summary, "run": str(writer.path)})
    return 0


def _text(folder: str) -> str:
    """Raises ConfigError where config.yaml could not hold the name of the folder."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        raise ConfigError("is not valid Unicode text", f"--data {folder!r}", "rename the folder") from None
    return folder
