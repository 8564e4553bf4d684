"""Lines that a training prints: before it starts, after each epoch, at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def describe_seconds(seconds: float) -> str:
    """45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def epoch_line(row: dict[str, Any], epochs: int, identity: dict[str, float]) -> str:
    """One row of metrics.csv in words."""
    place = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"
    if "val_psnr" in row:
        against = f" (input {describe_psnr(identity['psnr']).removesuffix(' dB')})" if identity else ""
        errors = f"train mse {row['train_mse']:.6f}  val mse {row['val_mse']:.6f}"
        score = f"{errors}  {describe_psnr(row['val_psnr'])}{against}"
    else:
        loss = f"train loss {row['train_loss']:.4f}  val loss {row['val_cross_entropy']:.4f}"
        score = f"{loss}  train accuracy {row['train_accuracy']:.4f}  val accuracy {row['val_accuracy']:.4f}"
    return f"{place}  {score}  {row['images_per_second']:.1f} images/s  {row['wall_seconds']:.0f} s"


def describe_psnr(psnr: float | None) -> str:
    """``28.65 dB``; the mean is infinite when one image has no error at all, which happens with flat images."""
    return "no finite PSNR" if psnr is None or not math.isfinite(psnr) else f"{psnr:.2f} dB"


OUTPUT_FAULTS = {
    "dead": "learned nothing: the output is the same for every input",
    "dark": "no output is darker than {value:.2f} (0 is black, 1 is white)",
    "light": "no output is lighter than {value:.2f} (0 is black, 1 is white)",
}


def find_output_faults(output: Mapping[str, float] | None) -> list[tuple[str, float]]:
    """Faults in the outputs of a network that the error alone does not show.

    Args:
        output: a summary's `output`: ranges in [0, 1] of outputs and targets, and the outputs' `spread`.

    Returns:
        Keys of `OUTPUT_FAULTS`, each with the value its sentence names.
    """
    if not output:
        return []
    if output["spread"] < 1 / 255:
        return [("dead", output["spread"])]
    faults = []
    if output["min"] > output["target_min"] + 0.1:
        faults.append(("dark", output["min"]))
    if output["max"] < output["target_max"] - 0.1:
        faults.append(("light", output["max"]))
    return faults


def output_sentences(output: Mapping[str, float] | None) -> list[str]:
    """The faults of an output in words."""
    return [OUTPUT_FAULTS[fault].format(value=value) for fault, value in find_output_faults(output)]


def val_sentence(summary: dict[str, Any]) -> str:
    """Metrics of a run on val; for images also the difference to the baseline."""
    val, identity = summary["val"], summary["identity"]
    if not identity:
        return "val " + ", ".join(f"{name.replace('_', '-')} {value:.5g}" for name, value in val.items())
    verdict = against_baseline(val, identity, summary["protocol"]["baseline"])
    return f"val mse {val['mse']:.6f}, {describe_psnr(val['psnr'])}, ssim {val['ssim']:.4f}: {verdict}"


def against_baseline(scores: Mapping[str, Any], identity: Mapping[str, Any], baseline: str) -> str:
    """Compare scores with those of a baseline: by PSNR, or by MSE where one PSNR is not finite."""
    psnr, reference = scores["psnr"], identity["psnr"]
    if any(value is None or not math.isfinite(value) for value in (psnr, reference)):
        mse, error = scores["mse"], identity["mse"]
        verdict = "WORSE than" if mse > error else "better than" if mse < error else "as good as"
        return f"{verdict} {baseline}, by mean error (its mse {error:.6f})"
    gain = psnr - reference
    return f"{gain:+.2f} dB against {baseline}" if gain >= 0 else f"WORSE than {baseline}, by {-gain:.2f} dB"


def result_lines(summary: dict[str, Any], path: str) -> str:
    """Lines after the training: metrics, cost, files, and a command to try next."""
    lines = []
    val, identity = summary["val"], summary["identity"]
    if identity:
        lines.append(f"result    {val_sentence(summary)}")
    else:
        splits = [split for split in ("train", "val", "test") if summary[split]]
        for i, name in enumerate(val):
            values = ", ".join(f"{split} {summary[split][name]:.5g}" for split in splits if name in summary[split])
            lines.append(f"{'' if i else 'result':<9} {name.replace('_', '-')}: {values}")
    lines += [f"          {sentence}" for sentence in output_sentences(summary.get("output"))]
    memory = f"{summary['rss_peak_mb']:.0f} MB RAM"
    if summary["vram_peak_mb"]:
        memory += f", {summary['vram_peak_mb']:.0f} MB VRAM"
    if summary["images_per_second"]:
        lines.append(f"cost      {summary['seconds']:.0f} s, {summary['images_per_second']:.1f} images/s, {memory}")
    lines.append(f"look at   {path}/curves.png and {path}/samples/")
    if identity and summary["parameters"]:
        same_size = summary["protocol"]["baseline"] == "returning the input"
        scale = "--scale 2 " if same_size else ""  # a network that keeps the size needs an enlarged image
        lines.append(f"next      srae-upscale img.png {scale}--model {path}")
    return "\n".join(lines)
