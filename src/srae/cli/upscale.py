"""Enlarge or enhance pictures with a trained network.

Pictures of any size, and the pictures directly inside folders.  Transparency,
grey, 16-bit grey, colour profile and EXIF are kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srae.cli import print_json, say
from srae.errors import ConfigError, DataError, PartialError, ResourceError, SraeError

if TYPE_CHECKING:
    import torch

    from srae.checkpoint import Loaded

EXAMPLES = """\
  srae-upscale img.png
  srae-upscale photos/ -o enlarged/ --model runs/residual --scale 2
  srae-upscale img.png -o large.png --model cnn4_tanh --device cpu
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", metavar="IMG|FOLDER", nargs="+", help="pictures, and folders of pictures")
    parser.add_argument(
        "-o", "--output", metavar="FILE|FOLDER", help="where to write (default: beside each picture, NAME_x2.png)"
    )
    parser.add_argument(
        "--model", metavar="NAME|RUN|FILE", help="what to enlarge with (default: the best finished run)"
    )
    parser.add_argument(
        "--scale",
        metavar="N",
        type=_positive,
        help="times each side (default: the model's own; 1 if it keeps the size)",
    )
    parser.add_argument(
        "--tile", metavar="auto|N", type=_tile, default="auto", help="side of the pieces a large picture is cut into"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that exist")
    parser.add_argument(
        "--max-pixels", metavar="N", type=_positive, help="largest picture to read (default: 178000000)"
    )
    parser.add_argument("--metadata", choices=("keep", "strip"), default="keep", help="EXIF, colour profile, dpi")
    parser.add_argument(
        "--frame", metavar="N", type=_frame, help="which frame of an animation or page of a TIFF, from 0"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the paths")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needs a whole number of at least 1, not {text!r}")
    return int(text)


def _frame(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"needs a whole number, counted from 0, not {text!r}")
    return int(text)


def _tile(text: str) -> int | str:
    return text if text == "auto" else _positive(text)


def run(args: argparse.Namespace) -> int:
    model_path = _pick_model(args)

    from srae.checkpoint import load_model
    from srae.device import pick_device
    from srae.upscale import pick_scale

    device = pick_device(args.device)
    loaded = load_model(model_path)
    scale = pick_scale(loaded, args.scale)
    sources = _list_sources(args.inputs, scale)
    targets = _name_targets(sources, args, scale)
    taken = {source.resolve() for source in sources}
    done: list[dict[str, Any]] = []
    failed: list[tuple[Path, SraeError]] = []
    told: set[str] = set()
    for source, target, tell in _with_bar(sources, targets):
        try:
            entry, notes = _enlarge(source, target, taken, loaded, device, args)
        except SraeError as error:
            failed.append((source, error))
            tell(f"failed {source}: {error.what}; {error.remedy}" if len(sources) > 1 else str(error))
            continue
        for note in notes:
            if note not in told:
                tell(note)
            told.add(note)
        size = f"{entry['input_width']}x{entry['input_height']} -> {entry['width']}x{entry['height']}"
        tell(f"{source} {size} in {entry['seconds']:.2f} s")
        done.append(entry)
        if not args.json:
            print(target, flush=True)
    if args.json:
        failures = [{"input": str(source), "error": error.what} for source, error in failed]
        print_json({"model": str(loaded.path), "scale": scale, "files": done, "failed": failures})
    if not failed:
        return 0
    if len(sources) > 1:
        say(f"{len(failed)} of {len(sources)} pictures failed")
    codes = {error.exit_code for _, error in failed}
    # When nothing was done for one and the same reason, that reason is the exit code.
    return codes.pop() if not done and len(codes) == 1 else PartialError.exit_code


def _pick_model(args: argparse.Namespace) -> Path:
    """The file or run that --model names, else the best finished run."""
    from srae.runs import find_best_run, resolve_model

    if args.model is None:
        path, reason = find_best_run(args.runs_dir)
        say(f"model {path} ({reason})")
        return path
    return resolve_model(args.model, args.runs_dir)


def _list_sources(inputs: Iterable[str], scale: int) -> list[Path]:
    """Files as named, folders by their pictures; what this verb has made from a picture beside it is left out."""
    from srae.images import find_images

    sources: list[Path] = []
    for path in map(Path, inputs):
        if not path.is_dir():
            sources.append(path)
            continue
        found, ignored = find_images(path)
        names = {file.name for file in found}
        made = [file for file in found if _source_name(file, scale) in names]
        sources += [file for file in found if file not in made]
        for count, what in ((ignored, "are no pictures"), (len(made), f"are results, *_x{scale}")):
            if count:
                say(f"{path}: {count} entries passed over, they {what}")
    if not sources:
        raise DataError("no pictures", " ".join(inputs), "PNG, JPEG, WebP, BMP and TIFF are accepted")
    return list(dict.fromkeys(sources))


def _source_name(file: Path, scale: int) -> str | None:
    stem, suffix = file.stem, f"_x{scale}"
    return stem.removesuffix(suffix) + file.suffix if stem.endswith(suffix) else None


def _name_targets(sources: list[Path], args: argparse.Namespace, scale: int) -> list[Path]:
    """One output path per source; makes the output folder."""
    from srae.files import resource_error
    from srae.images import EXTENSIONS

    names = [
        f"{source.stem}_x{scale}{source.suffix if source.suffix.lower() in EXTENSIONS else '.png'}"
        for source in sources
    ]
    if args.output is None:
        return [source.with_name(name) for source, name in zip(sources, names, strict=True)]
    output = Path(args.output)
    many = len(args.inputs) > 1 or Path(args.inputs[0]).is_dir()
    if not many and output.suffix and not output.is_dir() and not args.output.endswith("/"):
        return [output]
    if output.suffix.lower() in EXTENSIONS and not output.is_dir():
        raise ConfigError("-o names one file for several pictures", str(output), "name a folder")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise resource_error(error, output) from None
    return [output / name for name in names]


def _with_bar(sources: list[Path], targets: list[Path]) -> Iterator[tuple[Path, Path, Callable[[str], None]]]:
    """Each pair, and how to say something meanwhile; a bar only for several pictures on a terminal."""
    pairs = list(zip(sources, targets, strict=True))
    if len(pairs) == 1 or not sys.stderr.isatty():
        yield from ((source, target, say) for source, target in pairs)
        return
    from tqdm import tqdm

    with tqdm(pairs, unit="picture", file=sys.stderr, leave=False) as bar:
        for source, target in bar:
            yield source, target, lambda text: tqdm.write(text, file=sys.stderr)


def _enlarge(
    source: Path, target: Path, taken: set[Path], loaded: Loaded, device: torch.device, args: argparse.Namespace
) -> tuple[dict[str, Any], list[str]]:
    """Read, run, write one picture -> its entry in the JSON document, and remarks.

    Args:
        taken: resolved paths that may not be written, --overwrite or not: the inputs and what was just made.
    """
    from srae.images import MAX_PIXELS, check_output, read_picture, write_picture
    from srae.upscale import is_memory_error, upscale_picture

    start = time.perf_counter()
    with _output_errors():
        if target.resolve() in taken:
            what = "the output would replace an input, or another result of this command"
            raise ConfigError(what, str(target), "choose another -o")
        check_output(target, overwrite=args.overwrite)
    try:
        picture = read_picture(source, max_pixels=args.max_pixels or MAX_PIXELS, frame=args.frame)
        tile = None if args.tile == "auto" else args.tile
        result, notes = upscale_picture(picture, loaded, scale=args.scale, tile=tile, device=device)
        with _output_errors():
            write_picture(target, result, overwrite=args.overwrite, metadata=args.metadata)
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ResourceError("not enough memory", str(source), "use a smaller picture or --scale") from None
    taken.add(target.resolve())
    entry = {
        "input": str(source),
        "output": str(target),
        "input_width": picture.color.shape[2],
        "input_height": picture.color.shape[1],
        "width": result.color.shape[2],
        "height": result.color.shape[1],
        "seconds": round(time.perf_counter() - start, 3),
    }
    return entry, notes


@contextmanager
def _output_errors() -> Iterator[None]:
    """An output that cannot be written is one file not done, whatever the reason."""
    try:
        yield
    except SraeError as error:
        raise PartialError(error.what, error.where, error.remedy) from None
