"""Train the network of a YAML into a run folder, or resume a run.

The folder gets the resolved config, one row of metrics per epoch, checkpoints,
curves and sample strips; it is never overwritten.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from srae.cli import positive, print_json, say
from srae.errors import ConfigError, SraeError

if TYPE_CHECKING:
    import torch

    from srae.config.experiment import Config
    from srae.distributed.peers import Peers
    from srae.runs.writer import RunWriter
    from srae.training.session import Session

_VALUES = ("config", "resume", "data", "device", "runs_dir", "name")
_FLAGS = ("exact_name", "allow_changed", "dry_run", "json")
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
    parser.add_argument(
        "--processes",
        metavar="N",
        type=positive,
        help="train in N processes of this machine, N at most train.shards; see docs/scale.md",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder that holds the run folders")
    parser.add_argument("--name", metavar="NAME", help="name of the run (default: the config's)")
    parser.add_argument("--exact-name", action="store_true", help="do not add a number to a name that is taken: stop")
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
    from srae.distributed.launcher import launched_rank

    if launched_rank() is not None:
        return _run_as_one_of_many(args)
    if args.processes:
        return _launch(args)
    found = _find(args) if args.config else _reopen(args)

    # torch is imported from here on; a wrong command line or an invalid YAML was reported without it
    from srae.device import pick_device
    from srae.distributed.peers import ALONE

    return _train(args, _begin(args, found), ALONE, pick_device(args.device))


class _New(NamedTuple):
    """A run that does not exist yet."""

    file: Path
    name: str


class _Old(NamedTuple):
    """A run that goes on; locked."""

    config: Config
    writer: RunWriter


class _Start(NamedTuple):
    """What a training begins with."""

    config: Config
    resume: bool
    has_progress: bool
    """There are weights to go on from."""
    open_writer: Callable[[], RunWriter]
    """Called when everything that can fail before there is a run did not."""


def _begin(args: argparse.Namespace, found: _New | _Old) -> _Start:
    from srae.config.loading import load_config
    from srae.models import check_options
    from srae.runs.writer import claim_new_run, claim_run
    from srae.training.checkpointer import has_progress

    if isinstance(found, _New):
        config = load_config(found.file, args.set, check_options=check_options)
        runs_dir = Path(args.runs_dir)
        numbered, exact = partial(claim_run, runs_dir, found.name), partial(claim_new_run, runs_dir / found.name)
        start = _Start(config, False, False, exact if args.exact_name else numbered)
    else:
        start = _Start(found.config, True, has_progress(found.writer), partial(_itself, found.writer))
    if args.data:
        start = start._replace(config=start.config.model_copy(update={"data": start.config.data.at(_text(args.data))}))
    return start


def _train(args: argparse.Namespace, start: _Start, peers: Peers, device: torch.device) -> int:
    from srae.distributed.peers import PREPARE
    from srae.memory import keep_freed_memory
    from srae.training.api import fit
    from srae.training.prepare import prepare

    keep_freed_memory()
    session = prepare(start.config, device, resume=start.has_progress, runs_dir=Path(args.runs_dir), peers=peers)
    peers.meet(PREPARE)
    if args.dry_run:
        return _show_plan(session, json=args.json) if peers.is_first else 0
    with closing(start.open_writer()) as writer:  # last, so that a run that cannot start leaves no folder
        if peers.notices is not None and peers.is_first:
            peers.notices.remember("run", str(writer.path))
        tell = say if peers.is_first else _be_silent
        summary = fit(session, writer, tell, resume=start.resume, allow_changed=args.allow_changed)
    if args.json and peers.is_first:
        print_json({**summary, "run": str(writer.path)})
    return 0


def _run_as_one_of_many(args: argparse.Namespace) -> int:
    """Under torchrun: the first process finds config and run, writes and speaks; the others follow it in silence."""
    from srae.config.loading import dump_config, parse_config
    from srae.distributed.join import joined
    from srae.distributed.launcher import launched_rank
    from srae.distributed.notices import CONNECT
    from srae.runs.writer import SilentWriter

    if launched_rank():
        logging.getLogger("srae").setLevel(logging.CRITICAL)
    try:
        with joined(args.device) as (peers, device):
            assert peers.notices is not None
            if not peers.is_first:
                text, resume, has_progress = json.loads(peers.notices.get("begin", CONNECT))
                start = _Start(parse_config(text, "config"), resume, has_progress, SilentWriter)
                return _train(args, start, peers, device)
            if run := peers.notices.recall("run"):  # torchrun has restarted its processes, with the same command
                again: dict[str, Any] = {"config": None, "resume": run, "name": None, "set": [], "data": None}
                args = argparse.Namespace(**{**vars(args), **again})
            start = _begin(args, _find(args) if args.config else _reopen(args))
            peers.notices.put("begin", json.dumps([dump_config(start.config), start.resume, start.has_progress]))
            return _train(args, start, peers, device)
    except SraeError as error:
        if launched_rank():
            return error.exit_code
        raise


def _be_silent(text: str) -> None: ...


def _itself(writer: RunWriter) -> RunWriter:
    return writer


def _launch(args: argparse.Namespace) -> int:
    """The same training in several processes of this machine."""
    from srae.distributed.launcher import launch

    if args.config:  # what is wrong here is said before torch is imported so many times
        _find(args)
    words = [f"--{name.replace('_', '-')}={value}" for name in _VALUES if (value := getattr(args, name)) is not None]
    words += [f"--set={override}" for override in args.set]
    words += [f"--{name.replace('_', '-')}" for name in _FLAGS if getattr(args, name)]
    code, told = launch(["train", *words], args.processes)
    if told:
        say(told)
    return code


def _reopen(args: argparse.Namespace) -> _Old:
    """The run of --resume, locked, and its config with the overrides that are allowed."""
    from srae.runs.changes import check_changes
    from srae.runs.layout import find_run
    from srae.runs.reader import read_config
    from srae.runs.writer import RunWriter

    keys = [*(override.split("=")[0] for override in args.set), *(["data.folder"] if args.data else [])]
    check_changes(keys, renamed=bool(args.name), allow_changed=args.allow_changed)
    folder = find_run(args.resume, Path(args.runs_dir))
    return _Old(read_config(folder, args.set), RunWriter(folder))


def _find(args: argparse.Namespace) -> _New:
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
    return _New(file, name)


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
