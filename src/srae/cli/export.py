"""Write a trained network as a file for other programs: ONNX, OpenVINO, safetensors, or a form that spandrel knows.

The file is checked before it appears: the programs for it that are installed run
it on seven sizes, and it is refused where one differs from torch by more than a
level of 255.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from srae.cli import print_json, say, show

if TYPE_CHECKING:
    from srae.checkpoints.facts import Geometry
    from srae.export.api import Exported

EXAMPLES = """
  srae export x2
  srae export runs/residual -o residual.onnx --precision float16
  srae export x2 --format openvino -o models
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="shipped model, run or checkpoint")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="file or folder (default: NAME with the suffix, here)"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "openvino", "safetensors", "spandrel"),
        default="onnx",
        help="onnx: one file, weights inside; openvino: .xml and .bin; safetensors: the plain state dict; "
        "spandrel: in the names of an architecture that chaiNNer and ComfyUI know",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16"),
        default="float32",
        help="of the stored weights; float16 halves the file, and programs still compute in what they choose",
    )
    parser.add_argument("--licence", metavar="TEXT", help="stated in the file (default: that of the model's card)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument("--json", action="store_true", help="print files and differences as JSON")


def run(args: argparse.Namespace) -> int:
    from srae.checkpoints.loading import load_model
    from srae.checkpoints.shipped import resolve_model
    from srae.export.api import export_model, pick_target

    path = resolve_model(args.model, Path(args.runs_dir), say)
    name = path.resolve().name if path.is_dir() else path.stem
    target = pick_target(name, args.output, args.format)
    done = export_model(
        load_model(path),
        target,
        format=args.format,
        precision=args.precision,
        licence=args.licence,
        overwrite=args.overwrite,
    )
    if args.json:
        checks = [asdict(check) for check in done.checks]
        files = [str(file) for file in done.files]
        facts = done.facts.to_json()
        print_json({"files": files, "what": done.what, "facts": facts, "checks": checks, "licence": done.licence})
    else:
        show("\n".join(_lines(done, args.precision)))
    return 0


def _lines(done: Exported, precision: str) -> Iterator[str]:
    for file in done.files:
        yield f"file     {file}: {file.stat().st_size / 1e3:,.0f} kB"
    yield f"what     {done.what}; weights in {precision}"
    geometry, channels = done.facts.geometry, done.facts.channels
    yield f"images   (B, {channels}, h, w) in [0, 1]; {_sizes(geometry)}"
    for check in done.checks:
        if check.difference is None:
            yield f"checked  not by {check.reader}, which is not installed"
        else:
            sizes = f"{check.sizes} sizes" if check.sizes > 1 else "its size"
            yield f"checked  {check.reader}: at most {check.difference:.4f} levels of 255 from torch, {sizes}"
    yield f"licence  {done.licence or 'not stated: give --licence'}"


def _sizes(geometry: Geometry) -> str:
    if geometry.fixed_size:
        height, width = geometry.fixed_size
        return f"only {width}x{height}"
    return f"any size, made {geometry.scale} times as large" if geometry.scale > 1 else "any size, which stays"
