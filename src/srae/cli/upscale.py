"""Enlarge or enhance images with a trained network.

Images of any size, those inside folders, and patterns.  Transparency, grey,
16 bits, colour profile and EXIF are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srae.cli import escape_control, positive, print_json, say
from srae.errors import ConfigError, PartialError

if TYPE_CHECKING:
    from srae.upscaling.exact_size import Planner
    from srae.upscaling.jobs import Job, Naming
    from srae.upscaling.network import Network
    from srae.upscaling.pipeline import FileOptions, Outcome

EXAMPLES = """\
  srae-upscale img.png
  srae-upscale photos/ -o enlarged/ --recursive --model runs/residual --scale 2
  srae-upscale 'photos/*.jpg' --format webp --quality 90
  srae-upscale photo.jpg --model x2 --model x2_photo --compare --light
  srae-upscale texture.png --wrap --alpha separate
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", metavar="IMG|FOLDER", nargs="+", help="images, folders of images, quoted patterns ('*.jpg')"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        help="where to write (default: NAME_x2 beside each image)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|RUN|FILE",
        action="append",
        help="what to enlarge with (default: the shipped model for the scale); further ones are columns of --compare",
    )
    parser.add_argument(
        "--scale",
        metavar="N",
        type=_scale,
        help="times each side (default: 2, or that of --model; 1 if it keeps the size); between two models' scales, "
        "as 1.5: the next larger model, then an antialiased reduction",
    )
    parser.add_argument("--width", metavar="N", type=positive, help="pixels of the result, instead of --scale")
    parser.add_argument(
        "--height", metavar="N", type=positive, help="the same; with both it fits inside; the ratio of the sides stays"
    )
    parser.add_argument(
        "--recursive", action="store_true", help="folders with all folders inside, whose tree is kept below -o"
    )
    parser.add_argument(
        "--self-ensemble",
        action="store_true",
        help="mean over the 8 turns and flips of the image: a little better, 8 times as slow",
    )
    parser.add_argument(
        "--format",
        choices=("png", "jpg", "webp", "tiff", "avif", "jxl"),
        help="what to write (default: as each image is; png for what srae only reads, such as HEIC)",
    )
    parser.add_argument(
        "--quality",
        metavar="N",
        type=_quality,
        help="1 to 100, of JPEG (default: 95), AVIF (90), WebP and JPEG XL (default: nothing is lost)",
    )
    parser.add_argument("--compare", action="store_true", help="also write NAME_x2_compare.png: bicubic and the result")
    parser.add_argument("--light", action="store_true", help="a white ground for --compare")
    _add_image_arguments(parser)
    _add_machine_arguments(parser)


def _add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """What an image is, and what is kept of its file."""
    parser.add_argument("--max-pixels", metavar="N", type=positive, help="largest image to read (default: 178000000)")
    parser.add_argument(
        "--metadata",
        choices=("keep", "strip"),
        default="keep",
        help="profile, EXIF, XMP, IPTC, comments, texts, colour chunks, GeoTIFF, resolution",
    )
    parser.add_argument(
        "--alpha",
        choices=("blend", "separate"),
        default="blend",
        help="separate: the fourth channel is no transparency (gloss, height, a mask), and the colours under it count",
    )
    parser.add_argument(
        "--wrap",
        metavar="x|y|xy",
        nargs="?",
        const="xy",
        type=_wrap,
        help="the image continues at its other side: a seamless texture (xy), a panorama of 360 degrees (x); "
        "give it after the images",
    )
    parser.add_argument(
        "--frame",
        metavar="N|all",
        type=_frame,
        help="which frame of an animation or page of a TIFF, from 0; names count from 1: --frame 0 writes NAME_p1_x2",
    )
    parser.add_argument(
        "--animation",
        action="store_true",
        help="all frames into one file with their timing: WebP, PNG or AVIF (others become WebP)",
    )


def _add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    """How the network runs, and what is printed."""
    parser.add_argument(
        "--tile", metavar="auto|N", type=_tile, default="auto", help="side of the pieces a large image is cut into"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace images that exist; without it several are done once"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16, twice as fast, where the hardware has it and it changes a result by at most 0.01 dB "
        "(8 bits, networks that add to the enlarged image, as the shipped ones do); else float32",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "torch", "openvino", "onnxruntime"),
        default="auto",
        help="what runs the network: auto, the fastest that is installed and computes here what torch computes",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps",
    )
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the paths")


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"needs a whole number from 1 to 100, not {text!r}")
    return int(text)


def _scale(text: str) -> Fraction:
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"needs a number of at least 1, not {text!r}") from None
    if not 1 <= scale <= 1000:
        raise argparse.ArgumentTypeError(f"needs a number of at least 1, not {text!r}: srae enlarges")
    return scale


def _wrap(text: str) -> str:
    if text not in ("x", "y", "xy"):
        raise argparse.ArgumentTypeError(f"needs x, y or xy, not {text!r}: give --wrap after the images, or --wrap=xy")
    return text


def _frame(text: str) -> int | str:
    if text == "all":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needs a whole number, counted from 0, or all; not {text!r}")
    return int(text)


def _tile(text: str) -> int | str:
    return text if text == "auto" else positive(text)


def _check_animation(args: argparse.Namespace) -> None:
    """Raises: ConfigError: flags that do nothing for an animation."""
    for flag, given in (("--frame", args.frame is not None), ("--compare", args.compare)):
        if args.animation and given:
            raise ConfigError(f"--animation beside {flag}", None, "leave one of them out")


def _check_compared(args: argparse.Namespace) -> None:
    """Raises: ConfigError: flags of --compare without it."""
    for flag, given in (("--light", args.light), ("several --model", len(args.model or ()) > 1)):
        if given and not args.compare:
            raise ConfigError(f"{flag} without --compare", None, "add --compare, or leave it out")


def run(args: argparse.Namespace) -> int:
    from srae.checkpoints.shipped import next_scale, pick_models, resolve_model

    _check_animation(args)
    _check_compared(args)
    model, *compared = args.model or [None]

    # A wrong name or scale is told before torch is imported.
    paths = pick_models(model, None if model else next_scale(args.scale), args.runs_dir, say)
    other_paths = [resolve_model(name, args.runs_dir, say) for name in compared]

    from srae.files import sweep_orphans_of
    from srae.upscaling.backends import check_engine, open_network
    from srae.upscaling.enlarge import UpscaleOptions
    from srae.upscaling.exact_size import Planner, WantedSize
    from srae.upscaling.jobs import drop_done, name_jobs
    from srae.upscaling.pipeline import describe_chain, describe_outcomes, run_jobs
    from srae.upscaling.sources import list_sources

    check_engine(args.engine, args.device)  # a wrong one is told once, not for every image
    wanted = WantedSize(args.scale, args.width, args.height)

    def load(path: Path) -> Network:
        network = open_network(path, engine=args.engine, device=args.device, say=say)
        say(f"model {describe_chain([network])}, by {network.engine.name} on {network.engine.device}")
        return network

    planner = Planner(wanted, load, paths[0] if model else None)
    others = [Planner(wanted, load, path).plan for path in other_paths]
    sources = list_sources(args.inputs, recursive=args.recursive, output=args.output)
    for note in sources.notes:
        say(note)
    jobs = name_jobs(sources, args.output, _naming(args, planner))
    sweep_orphans_of(path for job in jobs for path in (job.target, job.comparison) if path)
    skipped: list[Job] = []
    if (sources.several or len(jobs) > 1) and not args.overwrite:
        jobs, skipped = drop_done(jobs)
    if skipped:
        say(f"{len(skipped)} exist already: skipped; --overwrite redoes them")
    tile = None if args.tile == "auto" else args.tile
    options = UpscaleOptions(None, tile, args.self_ensemble, args.precision, args.alpha, args.wrap or "")
    outcomes: list[Outcome] = []
    with _bar(len(jobs)) as (progress, tell):
        files = _file_options(args)
        for outcome in run_jobs(jobs, planner.plan, options, files, compared=others, progress=progress):
            _report(outcome, outcomes, tell, args.json, several=len(jobs) > 1)
            outcomes.append(outcome)
    if args.json:
        print_json(_describe_models(planner) | describe_outcomes(outcomes, skipped))
    return _exit_code(outcomes)


def _naming(args: argparse.Namespace, planner: Planner) -> Naming:
    from srae.images.decode import count_frames
    from srae.upscaling.jobs import Naming

    return Naming(
        mark=planner.mark,
        wanted=args.format,
        compare=args.compare,
        frames=None if args.frame is None and not args.animation else count_frames,
        frame=None if args.frame == "all" else args.frame,
        animation=args.animation,
    )


def _describe_models(planner: Planner) -> dict[str, Any]:
    scale = planner.scale
    return {
        "model": " ".join(str(trained.path) for trained in planner.loaded.values()),
        "scale": None if scale is None else int(scale) if scale.denominator == 1 else float(scale),
    }


def _file_options(args: argparse.Namespace) -> FileOptions:
    from srae.images.image import MAX_PIXELS
    from srae.upscaling.pipeline import FileOptions

    return FileOptions(
        overwrite=args.overwrite,
        max_pixels=args.max_pixels or MAX_PIXELS,
        metadata=args.metadata,
        quality=args.quality,
        light=args.light,
    )


def _report(outcome: Outcome, before: list[Outcome], tell: Callable[[str], None], json: bool, *, several: bool) -> None:
    """Results on stdout, talk on stderr; a remark that fits many images is made once."""
    job, error = outcome.job, outcome.error
    if error:
        reason = "; ".join(filter(None, (error.what, error.remedy)))
        tell(f"failed {job.source}: {reason}" if several else str(error))
        return
    for note in outcome.notes:
        if not any(note in other.notes for other in before):
            tell(note)
    (height, width), (new_height, new_width) = outcome.before, outcome.after
    tell(f"{job.source} {width}x{height} -> {new_width}x{new_height} in {outcome.seconds:.2f} s")
    if job.comparison:
        tell(f"before and after: {job.comparison}")
    if not json:
        path = str(job.target)
        print(escape_control(path) if sys.stdout.isatty() else path, flush=True)


def _exit_code(outcomes: list[Outcome]) -> int:
    codes = [outcome.error.exit_code for outcome in outcomes if outcome.error]
    if not codes:
        return 0
    if len(outcomes) > 1:
        say(f"{len(codes)} of {len(outcomes)} images failed")
    # When nothing was done for one and the same reason, that reason is the exit code.
    return codes[0] if len(codes) == len(outcomes) and len(set(codes)) == 1 else PartialError.exit_code


@contextmanager
def _bar(count: int) -> Iterator[tuple[Callable[[float], None], Callable[[str], None]]]:
    """What takes the number of images done, and what says something meanwhile; a bar only where it can move."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or not count:
        yield lambda done: None, say
        return
    from tqdm import tqdm

    what = "{n:.0f}/{total} images" if count > 1 else "of the image"
    form = "{percentage:3.0f}% |{bar}| " + what + " [{elapsed}<{remaining}]"
    with tqdm(total=count, file=sys.stderr, leave=False, bar_format=form, delay=0 if count > 1 else 1) as bar:

        def progress(done: float) -> None:
            bar.update(done - bar.n)

        yield progress, lambda text: tqdm.write(escape_control(text), file=sys.stderr)
