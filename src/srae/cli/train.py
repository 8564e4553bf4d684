"""Train the network of a YAML into a run folder, or go on with one.

The folder gets the resolved config, one row of metrics per epoch, checkpoints,
curves and sample strips; it is never overwritten.
"""

from __future__ import annotations

import argparse

from srae.cli import print_json, say
from srae.errors import ConfigError, SraeError

EXAMPLES = """
  srae-train --config configs/cnn4_tanh.yaml
  srae-train --config residual --set train.epochs=5 --data data/isr855
  srae-train --resume runs/cnn4_tanh
"""

CHANGEABLE = ("train.epochs", "train.patience", "train.checkpoint_every")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML|NAME", help="experiment: a file, or the name of a shipped one")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run, exactly where it stopped")
    parser.add_argument("--data", metavar="FOLDER", help="folder of picture pairs in place of the config's")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="override a key of the config; repeatable"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder that holds the run folders")
    parser.add_argument("--name", metavar="NAME", help="name of the run (default: the config's)")
    parser.add_argument("--json", action="store_true", help="print the run's summary as JSON")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from srae.config import find_config, load_config
    from srae.runs import RunWriter, check_name, claim_run, find_run, read_config

    if bool(args.config) == bool(args.resume):
        raise ConfigError("name one of --config and --resume", None, "for example: srae-train --config cnn4_tanh")
    overrides = list(args.set)
    if args.data:
        overrides += [f"data.folder={args.data!r}", "data.otherwise=null"]
    runs_dir = Path(args.runs_dir)
    if args.resume:
        if args.data or args.name or any(o.split("=")[0] not in CHANGEABLE for o in overrides):
            raise ConfigError(
                "a resumed run keeps its config", None, f"only these may change: --set {', '.join(CHANGEABLE)}"
            )
        folder = find_run(args.resume, runs_dir)
        config = read_config(folder, overrides)
        writer = RunWriter(folder)
    else:
        file = find_config(args.config)
        name = check_name(args.name or file.stem)

    # torch is imported from here on: what is wrong with the command line is told before
    from srae.device import pick_device
    from srae.models import check_options
    from srae.report.figures import draw_run
    from srae.train import train

    device = pick_device(args.device)
    if not args.resume:
        config = load_config(file, overrides, check_options=check_options)
        writer = claim_run(runs_dir, name)

    def tell(text: str) -> None:
        say(text)
        writer.log(text)

    try:
        tell(f"run       {writer.path}")
        summary = train(config, writer, device, tell, resume=bool(args.resume))
        draw_run(writer.path)
        tell(describe_result(summary, str(writer.path)))
    except SraeError as error:
        writer.log(str(error))
        raise
    finally:
        writer.close()
    if args.json:
        print_json({**summary, "run": str(writer.path)})
    return 0


def describe_result(summary: dict, path: str) -> str:  # type: ignore[type-arg]
    """The last lines: what came out, what it cost, where it lies, what to type next."""
    lines = []
    val, identity = summary["val"], summary["identity"]
    if identity:
        gain = val["psnr"] - identity["psnr"]
        verdict = f"{gain:+.2f} dB against returning the input"
        if gain < 0:
            verdict = f"WORSE than returning the input unchanged, by {-gain:.2f} dB"
        lines.append(f"result    val mse {val['mse']:.6f}, {val['psnr']:.2f} dB, ssim {val['ssim']:.4f}: {verdict}")
    else:
        lines.append("result    " + ", ".join(f"val {name} {value:.4f}" for name, value in val.items()))
    memory = f"{summary['rss_peak_mb']:.0f} MB RAM"
    if summary["vram_peak_mb"]:
        memory += f", {summary['vram_peak_mb']:.0f} MB VRAM"
    if summary["images_per_second"]:
        lines.append(f"cost      {summary['seconds']:.0f} s, {summary['images_per_second']:.1f} images/s, {memory}")
    lines.append(f"look at   {path}/curves.png and {path}/samples/")
    if identity and summary["parameters"]:
        lines.append(f"next      srae-upscale img.png --model {path}")
    return "\n".join(lines)
