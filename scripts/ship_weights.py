"""Make a run one of the models that ship: its best weights, its graph, and a card that says where they come from.

    python scripts/ship_weights.py x2 runs/x2 --bench data/set5 data/set14
    python scripts/ship_weights.py p runs/p --words "Sharpens images that keep their size."

Every figure on the card is measured here, with the function behind `srae eval`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from ship_graphs import ship_graph
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model
from srae.checkpoints.shipped import FOLDER
from srae.device import pick_device
from srae.evaluation.score import score_model
from srae.runs.reader import read_run

MAX_BYTES = 2 * 2**20
CARD = """# {name}

{words}

| | |
|---|---|
| network | `{model}`: {parameters:,} parameters, {multiply_adds:.2f} k multiply-adds per pixel of the result |
| in, out | {channels}, values in [0, 1]; {size} |
| trained on | {data}, {images} ({fingerprint}); never on a benchmark set |
| low side | {degrade} |
| recipe | {recipe} |
| command | `srae-train --config upscalers/{name}` |
| cost | {steps:,} steps, {hours:.1f} h on {machine} |
| weights | `{name}.safetensors`, float32, {kilobytes:,.0f} kB, SHA-256 `{sha256}` |
| licence | MIT, as srae. The training images state no licence and are not part of srae. |
| elsewhere | `srae export {name}`: ONNX for onnxruntime, OpenVINO and chaiNNer; spandrel knows no such network |

## Metrics

{figures}

{protocols}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name to ship under: srae-upscale --model NAME")
    parser.add_argument("run", type=Path, help="finished run folder")
    parser.add_argument("--bench", type=Path, nargs="*", default=[], help="folders of benchmark images")
    parser.add_argument("--words", default="", help="what it is for, in a sentence")
    args = parser.parse_args()
    summary = read_run(args.run).summary
    assert summary is not None and summary["status"] == "done", f"{args.run} is not done"
    tensors, meta = read_checkpoint(args.run / "model.safetensors")
    weights = FOLDER / f"{args.name}.safetensors"
    FOLDER.mkdir(exist_ok=True)
    del meta["machine"]
    save_checkpoint(weights, {k: t for k, t in tensors.items() if k.startswith("model.")}, meta, None)
    size = weights.stat().st_size
    assert size <= MAX_BYTES, f"{weights} has {size} bytes, more than {MAX_BYTES}"
    degrade = meta["config"]["data"]["degrade"]
    kernels = dict.fromkeys(["bicubic", degrade["kernel"] if degrade else "bicubic"])
    trained, device = load_model(weights), pick_device("auto")
    graph = ship_graph(weights)
    rows = [{**score_model(trained, device=device, say=say).document, "low": "as in training"}]
    for folder in args.bench:
        for kernel in kernels:
            scores = score_model(
                trained,
                folder=str(folder),
                scale=scale_of(meta),
                kernel=kernel,
                protocol="y",
                device=device,
                say=say,
            )
            rows.append({**scores.document, "low": kernel})
    card = FOLDER / f"{args.name}.md"
    card.write_text(fill_card(args, summary, meta, weights, rows))
    print(f"{weights}\n{graph}\n{card}")
    return 0


def scale_of(meta: dict[str, Any]) -> int:
    return int(meta["out_shape"][1] // meta["in_shape"][1])


def say(text: str) -> None:
    print(text, file=sys.stderr)


def fill_card(
    args: argparse.Namespace, summary: dict[str, Any], meta: dict[str, Any], weights: Path, rows: list[dict[str, Any]]
) -> str:
    config, scale, environment = meta["config"], scale_of(meta), read_environment(args.run)
    train, data, out_shape = config["train"], config["data"], meta["out_shape"]
    degrade = data["degrade"]
    options = ", ".join(f"{key} {value}" for key, value in config["model"].items() if key != "name")
    lines = ["| images | low side | PSNR | SSIM | input (bicubic where enlarged) | protocol |", "|---" * 6 + "|"]
    for row in rows:
        identity, protocol = row["identity"], row["protocol"]
        what, measured = f"{row['data']['name']} ({row['data']['counts']['val']})", row["val"]
        lines.append(
            f"| {what} | {row['low']} | {measured['psnr']:.2f} | {measured['ssim']:.4f} "
            f"| {identity['psnr']:.2f} / {identity['ssim']:.4f} | {protocol['channels']}, border {protocol['border']} |"
        )
    recipe = (
        f"{train['epochs']} epochs of {data['crops_per_picture']} crops of {data['crop']} pixels an image, batch "
        f"{train['batch_size']}, {train['loss']}, {train['optimizer']} {train['learning_rate']:g} {train['schedule']}, "
        f"precision {train['precision']}, weights averaged with decay {train['weight_average']}"
    )
    recipe += f", started from {train['start_from']}" if train["start_from"] else ""
    return CARD.format(
        name=args.name,
        words=args.words,
        model=f"{config['model']['name']} ({options})",
        parameters=summary["parameters"],
        multiply_adds=summary["multiply_adds"] / (out_shape[1] * out_shape[2]) / 1e3,
        channels=data["channels"],
        size=f"each side x{scale}" if scale > 1 else "the size stays",
        data=summary["data"]["name"],
        images=describe_count(summary["data"]["counts"]["train"], degrade),
        fingerprint=summary["data"]["fingerprint"],
        degrade=", ".join(f"{k} {v}" for k, v in degrade.items()) if degrade else "as it lies in the data set",
        recipe=recipe,
        steps=int(read_run(args.run).rows[-1]["step"] or 0),
        hours=summary["seconds"] / 3600,
        machine=f"{environment['device']}, {environment['threads']} thread(s), {environment['device_type']}",
        kilobytes=weights.stat().st_size / 1e3,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        figures="\n".join(lines),
        protocols="Outputs rounded to 8 bits; Y is luma of ITU-R BT.601; bicubic is antialiased.",
    )


def describe_count(count: int, degrade: dict[str, Any] | None) -> str:
    """``685 images at 4 sizes``: each size counts as an image in the summary."""
    sizes = 1 + len(degrade["sizes"] if degrade else [])
    return f"{count // sizes} images" + (f" at {sizes} sizes" if sizes > 1 else "")


def read_environment(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "environment.json").read_text())
    return found


if __name__ == "__main__":
    raise SystemExit(main())
