"""Lines that a training prints: before it starts, after each epoch, at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from srae.runs.answers import Answers
from srae.runs.ending import EarlyEnd, Fit

UNCHANGED = "returning the input"
"""Name of the baseline of networks that keep the size, as run folders store it."""


def describe_seconds(seconds: float) -> str:
    """45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def epoch_line(row: dict[str, Any], epochs: int, identity: dict[str, float], baseline: str = UNCHANGED) -> str:
    """One row of metrics.csv in words; `baseline` names what `identity` was measured of."""
    place = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"
    if "val_psnr" in row:
        reference = describe_psnr(identity["psnr"]).removesuffix(" dB") if identity else ""
        against = f" ({short_baseline(baseline)} {reference})" if identity else ""
        errors = f"train mse {row['train_mse']:.6f}  val mse {row['val_mse']:.6f}"
        score = f"{errors}  {describe_psnr(row['val_psnr'])}{against}"
    else:
        loss = f"train loss {row['train_loss']:.4f}  val loss {row['val_cross_entropy']:.4f}"
        score = f"{loss}  train accuracy {row['train_accuracy']:.4f}  val accuracy {row['val_accuracy']:.4f}"
    return f"{place}  {score}  {row['images_per_second']:.1f} images/s  {row['wall_seconds']:.0f} s"


def train_line(row: dict[str, Any], epochs: int) -> str:
    """One row of metrics.csv in words, of an epoch without validation."""
    score = f"train loss {row['train_loss']:.6f}"
    place = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"
    return f"{place}  {score}  {row['images_per_second']:.1f} images/s  {row['wall_seconds']:.0f} s"


def short_baseline(baseline: str) -> str:
    """``input``, ``bicubic``."""
    return "input" if baseline == UNCHANGED else baseline.partition(" ")[0]


def list_names(names: Sequence[str], shown: int = 5) -> str:
    """``a.png, b.png and 7 more``."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def describe_psnr(psnr: float | None) -> str:
    """``28.65 dB``; none is finite when every image is reproduced without any error."""
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


def answer_sentences(answers: Mapping[str, Answers]) -> list[str]:
    """Splits on which a classifier gives every image one answer, in one sentence."""
    found: dict[str, list[str]] = {}
    for split, each in answers.items():
        if each.only_answer is not None:
            found.setdefault(each.only_answer, []).append(split)
    return [f"learned nothing: the answer is {name} for every {' and '.join(s)} image" for name, s in found.items()]


def early_sentence(end: EarlyEnd) -> str:
    """Why a training ended before its last epoch."""
    epochs = f"{end.patience} epoch{'' if end.patience == 1 else 's'}"
    return f"stopped after epoch {end.epoch} of {end.epochs}: val was not better for {epochs}"


def few_sentence(steps: int) -> str:
    """For trainings that cannot have learned much."""
    remedy = "set more train.epochs, or a smaller train.batch_size"
    return f"{steps} step{'s are' if steps > 1 else ' is'} too few to judge: {remedy}"


def fit_sentence(fit: Fit, loss: str) -> str:
    """Whether a training overfits, and why.

    Args:
        loss: its name, ``mse``.
    """
    there = f"best epoch {fit.best_epoch} of {fit.epochs}, there val {loss} {fit.val:.3g}, train {fit.train:.3g}"
    end = f"at the end val {loss} {fit.last_val:.3g}, train {fit.last_train:.3g}"
    if fit.rises:
        return f"overfits: val rises since the {there}; {end}"
    if fit.overfits:
        return f"overfits: val is {fit.last_val / fit.last_train:.2g} times train; {there}"
    return f"no sign of overfitting: {there}"


def val_sentence(summary: dict[str, Any]) -> str:
    """Metrics of a run on val; for images also the difference to the baseline."""
    val, identity = summary["val"], summary["identity"]
    if not identity:
        known = {name.replace("_", "-"): value for name, value in val.items() if is_defined(value)}
        return "val " + ", ".join(f"{name} {value:.5g}" for name, value in known.items())
    gain = (summary.get("gain_db") or {}).get("val")
    verdict = against_baseline(val, identity, summary["protocol"]["baseline"], gain)
    ssim = f", ssim {val['ssim']:.4f}" if is_defined(val["ssim"]) else ""
    return f"val mse {val['mse']:.6f}, {describe_psnr(val['psnr'])}{ssim}: {verdict}"


def is_defined(value: float | None) -> bool:
    """Whether a metric has a value: SSIM has none where images are smaller than its window."""
    return value is not None and not math.isnan(value)


def exact_sentence(exact: Mapping[str, Sequence[str]] | None, split: str) -> str:
    """The images of a split that the network or the baseline reproduces exactly; empty where there are none."""
    names = (exact or {}).get(split) or []
    count = f"{len(names)} {split} image{'s' if len(names) > 1 else ''}"
    return f"left out of the mean PSNR, without any error: {count}, {list_names(names)}" if names else ""


def against_baseline(
    scores: Mapping[str, Any], identity: Mapping[str, Any], baseline: str, gain: float | None = None
) -> str:
    """Compare scores with those of a baseline: by PSNR, or by MSE where one PSNR is not finite.

    Args:
        gain: mean difference in dB over the images on which both are finite; without it that of the means.
    """
    psnr, reference = scores["psnr"], identity["psnr"]
    if gain is None and any(value is None or not math.isfinite(value) for value in (psnr, reference)):
        mse, error = scores["mse"], identity["mse"]
        verdict = "WORSE than" if mse > error else "better than" if mse < error else "as good as"
        return f"{verdict} {baseline}, by mean error (its mse {error:.6f})"
    gain = psnr - reference if gain is None else gain
    return f"{gain:+.2f} dB against {baseline}" if gain >= 0 else f"WORSE than {baseline}, by {-gain:.2f} dB"


def result_lines(summary: dict[str, Any], path: str) -> str:
    """Lines after the training: metrics, cost, files, and a command to try next."""
    lines = []
    val, identity = summary["val"], summary["identity"]
    if identity:
        lines.append(f"result    {val_sentence(summary)}")
        exact = [exact_sentence(summary.get("exact"), split) for split in ("val", "test")]
        lines += [f"          {sentence}" for sentence in exact if sentence]
    else:
        splits = [split for split in ("train", "val", "test") if summary[split]]
        for i, name in enumerate(name for name in val if is_defined(val[name])):
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
        same_size = summary["protocol"]["baseline"] == UNCHANGED
        scale = "--scale 2 " if same_size else ""  # a network that keeps the size needs an enlarged image
        lines.append(f"next      srae-upscale img.png {scale}--model {path}")
    return "\n".join(lines)
