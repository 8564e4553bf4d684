"""The commands: their table, the parser and the output.  Imports nothing heavy.

A verb is a module of this folder with `add_arguments(parser)`, `run(args)` and
`EXAMPLES`; it is imported when it is called, and imports what it needs inside
`run`.  Results go to stdout, messages to stderr.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from srae.errors import ResourceError, SraeError, did_you_mean

VERBS = {
    "train": "train the network of a YAML into a run folder",
    "upscale": "enlarge or enhance images with a trained network",
    "demo": "serve a page to try models on images of yours",
    "eval": "score a trained network on a folder of images",
    "export": "write a network for other programs: ONNX, OpenVINO, spandrel",
    "study": "run a grid of configs and seeds",
    "compare": "put runs side by side: metrics, cost, curves",
    "report": "write plots, tables and one HTML page about runs",
    "runs": "list the run folders",
    "data": "check a folder of images, or make pairs from one",
    "doctor": "check what would fail on this machine",
    "schema": "list the keys of a YAML, or print its JSON Schema",
}


# Names from foreign files must not control the terminal: C0 without the line feed, DEL, C1.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}


def escape_control(text: str) -> str:
    """The text with control characters as backslash escapes; line feeds stay."""
    return text.translate(_CONTROL)


def say(text: str) -> None:
    """Print a line on stderr; an error of the stream is ignored, because the work must go on."""
    try:
        print(escape_control(text), file=sys.stderr, flush=True)
    except OSError:  # a closed pipe, or a full disk behind `2> file`, must not end a training
        _discard_output_of(sys.stderr)


def show(text: str) -> None:
    """Print results on stdout."""
    print(escape_control(text))


def print_json(value: Any) -> None:
    """Print a JSON document on stdout; in ASCII, which every encoding of a terminal can print."""
    from srae.files import json_text

    print(json_text(value, ascii_only=True))


def main(arguments: list[str] | None = None) -> int:
    """`srae VERB ...`; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] not in VERBS:
        return _run_top(arguments)
    return run_verb(arguments[0], arguments[1:], f"srae {arguments[0]}")


def train_main() -> int:
    """`srae-train ...`"""
    return run_verb("train", sys.argv[1:], "srae-train")


def upscale_main() -> int:
    """`srae-upscale ...`"""
    return run_verb("upscale", sys.argv[1:], "srae-upscale")


@contextmanager
def _sound_output() -> Iterator[None]:
    """Survive whatever stdout and stderr are connected to, without a traceback.

    A stream may be closed, or its encoding may lack letters of a file name.  The
    reader may end early (`srae runs | head`); then nothing is flushed at exit.
    The disk behind `> file` may be full.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  as long as the process
    if hasattr(sys.stdout, "reconfigure"):  # bytes that are no text are written unchanged
        is_utf8 = sys.stdout.encoding.lower() in ("utf-8", "utf8")
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")
    try:
        try:
            yield
        finally:  # also on argparse's own exit from --help
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output_of(sys.stdout)
        raise SystemExit(141) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _discard_output_of(sys.stdout)
        say(f"the disk is full\n{error.filename or 'standard output'}\nfree some space")
        raise SystemExit(ResourceError.exit_code) from None


def _discard_output_of(stream: TextIO) -> None:
    """Discard what is still buffered; Python would try to write it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@_sound_output()
def _run_top(arguments: list[str]) -> int:
    verbs = "\n".join(f"  {name:<9} {sentence}" for name, sentence in VERBS.items())
    parser = _Parser(
        prog="srae",
        description="Train, compare and use super-resolution autoencoders.",
        epilog=f"verbs:\n{verbs}\n\n`srae VERB --help` explains a verb.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("verb", nargs="?", metavar="VERB", help="one of the verbs below")
    args, _ = parser.parse_known_args(arguments)
    if args.version:
        import srae

        print(srae.__version__)
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    hint = did_you_mean(args.verb, VERBS) or f"verbs: {', '.join(VERBS)}"
    say(f"srae: no verb {args.verb!r}\n{hint}")
    return 2


@_sound_output()
def run_verb(verb: str, arguments: list[str], program: str) -> int:
    """Parse and run one verb; an `SraeError` becomes its three lines and its exit code."""
    module = importlib.import_module(f"srae.cli.{verb}")
    examples = module.EXAMPLES.strip("\n")
    parser = _Parser(
        prog=program,
        description=(module.__doc__ or "").split("\n\n")[0],
        epilog=f"examples:\n{examples}",
        formatter_class=_HelpFormatter,
    )
    module.add_arguments(parser)
    # Huge pages: without them the first touch of a large tensor costs up to half of the work on it (docs/lab_log.md).
    # torch reads this at its first allocation.  A command may set it; a library must not.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        args = parser.parse_args(arguments)
        return int(module.run(args))
    except SraeError as error:
        _print_error(program, error)
        return error.exit_code
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "srae"):
            raise
        _print_error(program, ResourceError(f"{library} is not installed", f"for {program}", "pip install srae"))
        return ResourceError.exit_code
    except (MemoryError, RuntimeError) as error:
        from srae.upscaling.tiles import is_memory_error

        if not is_memory_error(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        remedy = "use smaller batches, crops or images, close other programs, or compute elsewhere (--device)"
        _print_error(program, ResourceError("not enough memory", reason, remedy))
        return ResourceError.exit_code
    except KeyboardInterrupt:
        say(f"{program}: stopped")
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose help starts with the purpose of the verb, before its usage."""

    def format_help(self) -> str:
        what, self.description = self.description, None
        try:
            return f"{what}\n\n{super().format_help()}" if what else super().format_help()
        finally:
            self.description = what


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the line breaks of the examples, and shows defaults."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, []) and action.option_strings
        return super()._get_help_string(action) if shown else action.help


def _print_error(program: str, error: SraeError) -> None:
    say(f"{program}: {error.what}")
    for line in (error.where, error.remedy):
        if line:
            say(line)


def positive(text: str) -> int:
    """Type of an argument: an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needs a whole number of at least 1, not {text!r}")
    return int(text)
