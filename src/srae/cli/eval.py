"""Score trained networks image by image, against the identity baseline (or bicubic interpolation).

The protocol is printed and stored with the metrics: metrics of two protocols
cannot be compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srae.cli import print_json, say, show
from srae.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from srae.evaluation.score import Scores

EXAMPLES = """
  srae eval --model runs/cnn4_tanh runs/residual --json
  srae eval --model x2 --data data/set5 --scale 2 --protocol y
  srae eval --model x2 other.pth --data data/set5 --scale 2 --protocol y --as-runs runs/field
  srae eval --self-test --data data/set5
  srae eval --model runs/mnist_net1 --split test
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME|RUN|STUDY|FILE",
        nargs="+",
        default=[],
        help="shipped models, runs, studies (all their finished runs), checkpoints, other networks (.onnx, .pth)",
    )
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="folder of images, all val if it has no splits (default: the run's own data, split as for its training)",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="check the metrics against known values (--data: a folder with Set5)",
    )
    parser.add_argument("--split", choices=("val", "test", "train"), default="val", help="images to score")
    parser.add_argument(
        "--scale",
        metavar="N",
        type=int,
        choices=range(2, 9),
        help="make low-resolution images, 2 to 8 times smaller, from a folder of high-resolution images",
    )
    parser.add_argument(
        "--kernel",
        choices=("bicubic", "photo"),
        default="bicubic",
        help="how --scale shrinks; photo: like images from the web, with blur, noise and JPEG artefacts",
    )
    parser.add_argument(
        "--protocol",
        choices=("rgb", "y"),
        default="rgb",
        help="rgb: all pixels; y: luma, `scale` pixels cut off each border; grey files keep their full range",
    )
    parser.add_argument(
        "--self-ensemble",
        action="store_true",
        help="score the mean over the eight rotations and flips, as `srae upscale --self-ensemble` returns it",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="CSV",
        help="metrics per image (default: images-DATA-SPLIT-PROTOCOL.csv in the run, or MODEL-DATA-PROTOCOL.csv here)",
    )
    parser.add_argument(
        "--as-runs",
        metavar="DIR",
        help="also write each model as a run folder there, with parameters, multiply-adds and seconds of a 256x256 "
        "image, for srae compare and report",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps",
    )
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")


def run(args: argparse.Namespace) -> int:
    if args.self_test:
        return _self_test(args)
    if not args.model:
        raise ConfigError("no model named", "--model", "name one, or give --self-test")

    from srae.checkpoints.shipped import find_models
    from srae.runs.stored_scores import check_output

    if args.output:
        check_output(Path(args.output))

    from srae.device import pick_device

    device, models = pick_device(args.device), find_models(args.model, Path(args.runs_dir), say)
    if args.output and len(models) > 1:
        raise ConfigError(f"one file cannot hold the metrics of {len(models)} models", "-o", "leave it out")
    documents = []
    for path in models:
        if len(models) > 1 and not args.json:
            show(f"run       {path}")
        documents.append(_score(args, path, device))
    if args.json:
        print_json(documents[0] if len(documents) == 1 else documents)
    return 0


def _score(args: argparse.Namespace, path: Path, device: torch.device) -> dict[str, Any]:
    """Score one model, store its metrics and show them."""
    from srae.evaluation.foreign import load_any
    from srae.evaluation.score import score_model
    from srae.runs.stored_scores import store_scores

    trained = load_any(path, say)
    scores = score_model(
        trained,
        folder=args.data,
        split=args.split,
        scale=args.scale,
        kernel=args.kernel,
        protocol=args.protocol,
        self_ensemble=args.self_ensemble,
        device=device,
        say=say,
    )
    stored = {key: value for key, value in scores.document.items() if key != "model"}
    output = Path(args.output) if args.output else None
    images = store_scores(stored, scores.columns, model=trained.path, label=scores.label, output=output)
    say(f"metrics per image: {images}")
    if args.as_runs:
        from srae.evaluation.as_run import write_as_run

        say(f"as a run: {write_as_run(trained, scores, Path(args.as_runs), path.stem)}")
    if not args.json:
        _show_scores(scores, args.split)
    return {**scores.document, "images": str(images)}


def _show_scores(scores: Scores, split: str) -> None:
    from srae.runs.messages import against_baseline, answer_lines, exact_sentence, short_baseline

    document = scores.document
    data, measured, reference = document["data"], document[split], document["identity"]
    alone = f" (of the images alone: {data['images']})" if "images" in data else ""
    show(f"data      {data['name']}, {split}: {data['counts'][split]} images, fingerprint {data['fingerprint']}{alone}")
    if scores.protocol:
        show(f"protocol  {scores.protocol}")
    show(f"model     {_describe(measured)}")
    if reference:
        baseline, gain = document["protocol"]["baseline"], document["gain_db"][split]
        show(f"{short_baseline(baseline):<9} {_describe(reference)}")
        tested = document["gain_test"][split]
        show(f"          {against_baseline(measured, reference, baseline, gain=gain, tested=tested)}")
    exact = exact_sentence(document["exact"], split)
    for sentence in [*([exact] if exact else []), *answer_lines(document["answers"])]:
        show(f"          {sentence}")


def _self_test(args: argparse.Namespace) -> int:
    from srae.evaluation.self_test import built_in_checks, set5_checks

    checks = built_in_checks() + (set5_checks(Path(args.data)) if args.data else [])
    if args.json:
        fields = ("what", "expected", "found", "tolerance", "passed")
        print_json([{field: getattr(check, field) for field in fields} for check in checks])
    else:
        for check in checks:
            show(str(check))
    return 0 if all(check.passed for check in checks) else 1


def _describe(measured: dict[str, float]) -> str:
    """``mse 0.001767  psnr 28.65 dB  ssim 0.8673``"""
    from srae.config.measures import METRICS
    from srae.runs.messages import is_defined

    shown = [(name, row) for name, row in METRICS.items() if row.splits and is_defined(measured.get(name))]
    return "  ".join(f"{name} {row.text.format(measured[name])} {row.unit}".rstrip() for name, row in shown)
