"""Lines that a training prints: before it starts, after each epoch, at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from srae.runs.answers import Answers
from srae.runs.ending import FEW_STEPS, EarlyEnd, Fit, count_steps, judge_fit, read_early_end

UNCHANGED = "returning the input"
"""Name of the baseline of networks that keep the size, as run folders store it."""


def describe_seconds(seconds: float) -> str:
    """45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def epoch_line(row: dict[str, Any], epochs: int, identity: dict[str, float], baseline: str = UNCHANGED) -> str:
    """One row of metrics.csv in words; `baseline` names what `identity` was measured of."""
    if "val_psnr" in row:
        reference = describe_psnr(identity["psnr"]).removesuffix(" dB") if identity else ""
        against = f" ({short_baseline(baseline)} {reference})" if identity else ""
        errors = f"train mse {row['train_mse']:.6f}  val mse {row['val_mse']:.6f}"
        score = f"{errors}  {describe_psnr(row['val_psnr'])}{against}"
    else:
        loss = f"train loss {row['train_loss']:.4f}  val loss {row['val_cross_entropy']:.4f}"
        score = f"{loss}  train accuracy {row['train_accuracy']:.4f}  val accuracy {row['val_accuracy']:.4f}"
    return _with_progress(score, row, epochs)


def train_line(row: dict[str, Any], epochs: int) -> str:
    """One row of metrics.csv in words, of an epoch without validation."""
    return _with_progress(f"train loss {row['train_loss']:.6f}", row, epochs)


def _with_progress(score: str, row: Mapping[str, Any], epochs: int) -> str:
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
    place = f"epoch {fit.best_epoch} of {fit.epochs}"
    lowest = f"val {loss} is lowest in {place} ({fit.val:.3g}, train {fit.train:.3g})"
    if fit.rises:
        return f"overfits: {lowest} and rises since, to {fit.last_val:.3g} (train {fit.last_train:.3g})"
    if fit.overfits:
        return f"overfits: val {loss} ends at {fit.last_val / fit.last_train:.2g} times that of train; {lowest}"
    return f"no sign of overfitting: {lowest}"


def val_sentence(summary: dict[str, Any]) -> str:
    """Metrics of a run on val; for images also the difference to the baseline."""
    return split_sentence(summary, "val")


def split_sentence(summary: dict[str, Any], split: str) -> str:
    """Metrics of a run on a split; for images also the difference to the baseline."""
    scores = summary[split]
    identity = summary["identity"] if split == "val" else summary.get("test_identity")
    if not identity:
        known = {name.replace("_", "-"): value for name, value in scores.items() if is_defined(value)}
        return f"{split} " + ", ".join(f"{name} {value:.5g}" for name, value in known.items())
    gain, tested = ((summary.get(key) or {}).get(split) for key in ("gain_db", "gain_test"))
    verdict = against_baseline(scores, identity, summary["protocol"]["baseline"], gain=gain, tested=tested)
    ssim = f", ssim {scores['ssim']:.4f}" if is_defined(scores["ssim"]) else ""
    return f"{split} mse {scores['mse']:.6f}, {describe_psnr(scores['psnr'])}{ssim}: {verdict}"


def is_defined(value: float | None) -> bool:
    """Whether a metric has a value: SSIM has none where images are smaller than its window."""
    return value is not None and not math.isnan(value)


def exact_sentence(exact: Mapping[str, Sequence[str]] | None, split: str) -> str:
    """The images of a split that the network or the baseline reproduces exactly; empty where there are none."""
    names = (exact or {}).get(split) or []
    count = f"{len(names)} {split} image{'s' if len(names) > 1 else ''}"
    return f"left out of the mean PSNR, without any error: {count}, {list_names(names)}" if names else ""


def against_baseline(
    scores: Mapping[str, Any],
    identity: Mapping[str, Any],
    baseline: str,
    *,
    gain: float | None = None,
    tested: Mapping[str, Any] | None = None,
) -> str:
    """Compare scores with those of a baseline: by PSNR, or by MSE where one PSNR is not finite.

    Args:
        gain: mean difference in dB over the images on which both are finite; without it that of the means.
        tested: interval and test of the gain, a summary's `gain_test` on the split; an older srae recorded none.
    """
    psnr, reference = scores["psnr"], identity["psnr"]
    if gain is None and any(value is None or not math.isfinite(value) for value in (psnr, reference)):
        mse, error = scores["mse"], identity["mse"]
        verdict = "below" if mse > error else "better than" if mse < error else "as good as"
        return f"{verdict} {baseline}, by mean error (its mse {error:.6f})"
    gain = psnr - reference if gain is None else gain
    if not tested:
        return f"{gain:+.2f} dB against {baseline}"
    interval = "" if tested["low"] is None else f" [{tested['low']:+.2f}, {tested['high']:+.2f}]"
    size = f"{gain:+.2f} dB{interval}"
    if tested["beyond_noise"]:
        return f"{size} against {baseline}" if gain > 0 else f"WORSE than {baseline}, {size}"
    why = "no difference beyond noise" if tested["testable"] else f"too few for a test: {tested['over']}"
    return f"{size} against {baseline} ({why})"


def result_lines(summary: dict[str, Any], path: str, rows: Sequence[Mapping[str, float | None]] = ()) -> str:
    """Lines after the training: metrics, what to think of them, cost, files, and a command to try next.

    Args:
        rows: of metrics.csv, for the verdict on overfitting.
    """
    lines = [*_metric_lines(summary), *_fit_lines(summary, rows)]
    memory = f"{summary['rss_peak_mb']:.0f} MB RAM"
    vram = summary["vram_peak_mb"]
    memory += f", {vram:.0f} MB VRAM" if vram is not None else ", VRAM not measured: no GPU"
    if summary["images_per_second"]:
        lines.append(f"cost      {summary['seconds']:.0f} s, {summary['images_per_second']:.1f} images/s, {memory}")
    lines.append(f"look at   {path}/curves.png and {path}/samples/")
    if summary["identity"] and summary["parameters"]:
        same_size = summary["protocol"]["baseline"] == UNCHANGED
        scale = "--scale 2 " if same_size else ""  # a network that keeps the size needs an enlarged image
        of_bands = "bands" in summary["protocol"]["channels"]  # which are scored, but not enlarged
        lines.append(
            f"next      {'srae eval' if of_bands else f'srae-upscale img.png {scale}'.rstrip()} --model {path}"
        )
    return "\n".join(lines)


def _metric_lines(summary: dict[str, Any]) -> list[str]:
    """Metrics of every split, and what they hide: exact images, dead outputs, single answers."""
    splits, notes = [split for split in ("train", "val", "test") if summary[split]], []
    if summary["identity"]:
        found = [split_sentence(summary, split) for split in ("val", "test") if summary.get(split)]
        notes += [sentence for split in splits if (sentence := exact_sentence(summary.get("exact"), split))]
    else:
        found = []
        for name in dict.fromkeys(name for split in splits for name in summary[split]):
            known = [(split, summary[split].get(name)) for split in splits]
            values = ", ".join(f"{split} {value:.5g}" for split, value in known if is_defined(value))
            if name in summary["val"] and is_defined(summary["val"][name]):
                found.append(f"{name.replace('_', '-')}: {values}")
    notes += [*output_sentences(summary.get("output")), *answer_lines(summary.get("answers"))]
    return [f"{'' if i else 'result':<9} {line}" for i, line in enumerate([*found, *notes])]


def answer_lines(answers: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    """What a summary's `answers` show; none without them."""
    found = {split: Answers(**each) for split, each in (answers or {}).items()}
    return [commonest_sentence(found), *answer_sentences(found)] if found else []


def commonest_sentence(answers: Mapping[str, Answers]) -> str:
    """What a constant answer would reach: ``always answering healthy: accuracy val 0.95, test 0.95``."""
    named = {each.commonest for each in answers.values()}
    shares = ", ".join(f"{split} {each.commonest_share:.5g}" for split, each in answers.items())
    return f"always answering {' or '.join(sorted(named))}: accuracy {shares}"


def _fit_lines(summary: Mapping[str, Any], rows: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Whether the training ended early, was too short to judge, or overfits."""
    lines = [early_sentence(end)] if (end := read_early_end(summary)) else []
    steps = count_steps(summary, rows)
    loss = "cross_entropy" if any(row.get("val_cross_entropy") is not None for row in rows) else "mse"
    fit = judge_fit(rows, "train_loss" if loss == "cross_entropy" else "train_mse", f"val_{loss}")
    if steps and steps < FEW_STEPS:
        lines.append(few_sentence(steps))
    elif fit and not fit.is_short:
        lines.append(fit_sentence(fit, loss.replace("_", "-")))
    return [f"{'' if i else 'fit':<9} {line}" for i, line in enumerate(lines)]
