"""Score a trained network on a folder of pictures, picture by picture, beside returning the input.

The protocol is printed with the figures and stored with them: figures of two
protocols do not belong in one table.
"""

from __future__ import annotations

import argparse

from srae.cli import print_json, say
from srae.errors import ConfigError

EXAMPLES = """
  srae eval --model runs/residual
  srae eval --model runs/cnn4_tanh --data data/isr855 --json
  srae eval --model runs/x2 --data data/set5 --scale 2 --protocol y
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|RUN|FILE", required=True, help="run folder, its name, or a checkpoint")
    parser.add_argument("--data", metavar="FOLDER", help="pictures; by default those that the run was trained on")
    parser.add_argument("--split", choices=("val", "test", "train"), default="val", help="pictures to score")
    parser.add_argument("--scale", metavar="N", type=int, help="make the low side from a folder of high-resolution pictures")
    parser.add_argument(
        "--protocol",
        choices=("rgb", "y"),
        default="rgb",
        help="rgb: all pixels; y: luma, `scale` pixels cut off each border",
    )
    parser.add_argument("-o", "--output", metavar="CSV", help="per-image figures (default: images-DATA-PROTOCOL.csv in the run)")
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from srae.checkpoint import load_model
    from srae.data import open_data
    from srae.device import pick_device
    from srae.evaluate import baseline_model, evaluate, means
    from srae.metrics import Protocol
    from srae.runs import csv_text, resolve_model
    from srae.tasks import TASKS

    device = pick_device(args.device)
    loaded = load_model(resolve_model(args.model, Path(args.runs_dir)))
    options = loaded.config.data.model_dump()
    options |= {"crop": None, "crops_per_picture": 1, "augment": [], "limit": None}
    if args.data:
        options |= {"folder": args.data, "low": None, "high": None, "otherwise": None, "test_from_val": 0.0}
    if args.scale:
        options["degrade"] = {"kernel": "bicubic", **(options["degrade"] or {}), "scale": args.scale}
    data = open_data(seed=loaded.config.seed, **options, shapes_may_differ=True).to(device)
    for note in data.notes:
        say(note)
    split = getattr(data, args.split)
    if split is None:
        raise ConfigError(f"{data.name} has no {args.split} pictures", None, "choose another --split")
    scale = split.target.size(0)[0] // split.input.size(0)[0]
    if scale != loaded.model.scale:
        raise ConfigError(
            f"the model enlarges by {loaded.model.scale}, these pairs by {scale}", str(loaded.path), "see --scale"
        )
    protocol = Protocol(channels="Y", border=scale) if args.protocol == "y" else Protocol(channels="RGB")
    task = TASKS[loaded.config.task]
    scores = evaluate(loaded.model.to(device), split, task, protocol)
    against = evaluate(baseline_model(data.in_shape, data.out_shape), split, task, protocol)
    rows = [
        {"split": args.split, "name": name, **{k: v[i] for k, v in scores.items()}, "identity_mse": against["mse"][i]}
        for i, name in enumerate(split.names)
    ]
    result = {
        "model": str(loaded.path),
        "data": {"name": data.name, "fingerprint": data.fingerprint, "split": args.split, "count": len(split)},
        "protocol": protocol.as_dict(),
        **means(scores),
        "identity": means(against),
    }
    output = _output_path(args, loaded.path, f"{data.name}-{args.split}-{args.protocol}")
    with open(output, "x", encoding="utf-8") as file:
        file.write(csv_text(rows, list(rows[0]), header=True))
    say(f"per-image figures: {output}")
    if args.json:
        print_json({**result, "images": str(output)})
        return 0
    print(f"data      {data.name}, {args.split}: {len(split)} pictures, fingerprint {data.fingerprint}")
    print(f"protocol  {protocol}")
    for label, values in (("model", result), ("input", result["identity"])):
        print(f"{label:<9} mse {values['mse']:.6f}  psnr {values['psnr']:.2f} dB  ssim {values['ssim']:.4f}")
    if result["psnr"] < result["identity"]["psnr"]:
        print("          WORSE than returning the input unchanged")
    return 0


def _output_path(args: argparse.Namespace, model, label: str):  # type: ignore[no-untyped-def]
    """A path that does not exist yet."""
    from pathlib import Path

    if args.output:
        if Path(args.output).exists():
            raise ConfigError("the output exists", args.output, "name another file with -o")
        return Path(args.output)
    for number in range(1, 10_000):
        path = model.parent / f"images-{label}{'' if number == 1 else f'-{number}'}.csv"
        if not path.exists():
            return path
    raise ConfigError("10,000 evaluations lie there already", str(model.parent), "name a file with -o")
