"""Serve a page on this computer to try models on images of yours: drop one, compare, save the result.

The page asks nothing of the network, and what was dropped is deleted at the end.  (The tour that trains on
built-in images is `make demo`.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from srae.cli import positive, say
from srae.errors import ConfigError

EXAMPLES = """\
  srae demo
  srae demo --open --runs-dir results/runs
  srae demo --port 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", metavar="N", type=_port, default=8765, help="of 127.0.0.1, where the page is; 0: any that is free"
    )
    parser.add_argument(
        "--open",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="open the page in a browser, instead of printing its address alone",
    )
    parser.add_argument(
        "--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs that are offered, too"
    )
    parser.add_argument("--max-pixels", metavar="N", type=positive, help="largest image to read (default: 178000000)")
    parser.add_argument(
        "--engine",
        choices=("auto", "torch", "openvino", "onnxruntime"),
        default="auto",
        help="what runs the networks, see srae upscale --help",
    )
    parser.add_argument(
        "--device", metavar="NAME", default="auto", help="where to compute: auto, cpu, cuda, cuda:N or mps"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"needs a whole number from 0 to 65535, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise ConfigError("starlette and uvicorn are not installed", "srae demo", "pip install 'srae[demo]'") from None

    from srae.demo_page.server import serve
    from srae.images.limits import MAX_PIXELS

    def announce(address: str) -> None:
        print(address, flush=True)
        say("this address is for you alone; Ctrl-C ends the page and deletes what was dropped")
        if args.open:
            import webbrowser

            webbrowser.open(address)

    serve(
        args.runs_dir,
        port=args.port,
        announce=announce,
        engine=args.engine,
        device=args.device,
        max_pixels=args.max_pixels or MAX_PIXELS,
    )
    return 0
