"""What tests read: random images, folders of pairs, and run folders made by the real writer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srae.config.loading import parse_config
from srae.runs.writer import RunWriter

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


def random_pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Never zeros: they hide mistakes."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_image(path: Path, size: tuple[int, int] = (16, 16), mode: str = "RGB", *, seed: int | None = None) -> Path:
    """A random image of (height, width), another one under each path unless seeds are equal; folders are made."""
    chosen = zlib.crc32("/".join(path.parts[-3:]).encode("utf-8", "surrogateescape")) if seed is None else seed
    pixels = random_pixels(*size, CHANNELS[mode], seed=chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(path)
    return path


def write_images(
    folder: Path, images: int | Iterable[str], size: tuple[int, int] = (16, 16), mode: str = "RGB", *, seed: int = 0
) -> Path:
    """So many random images, called 0.png, 1.png, ..., or one of each name; no two of them are equal."""
    names = [f"{i}.png" for i in range(images)] if isinstance(images, int) else images
    for number, name in enumerate(names):
        write_image(folder / name, size, mode, seed=1000 * seed + number)
    return folder


def write_pairs(
    folder: Path,
    *,
    train: int | Sequence[str] = 5,
    val: int | Sequence[str] = 2,
    size: tuple[int, int] = (20, 20),
    scale: int = 1,
    mode: str = "RGB",
    seed: int = 0,
) -> Path:
    """``{train,val}/{low_res,high_res}/NAME.png``: random images, each with another one as its target."""
    for part, (split, images) in enumerate((("train", train), ("val", val))):
        for side, factor in (("low_res", 1), ("high_res", scale)):
            place = 4 * seed + 2 * part + (side == "high_res")
            write_images(folder / split / side, images, (size[0] * factor, size[1] * factor), mode, seed=place)
    return folder


# ------------------------------------------------------------------------ run folders


@contextmanager
def _writer(folder: Path, config: str) -> Iterator[RunWriter]:
    folder.mkdir(parents=True)
    run = RunWriter(folder)
    try:
        run.write_start(parse_config(config, "toy"), {"torch": "none"})
        yield run
    finally:
        run.close()


def write_run(
    folder: Path,
    *,
    fingerprint: str = "0",
    rows: int = 3,
    summary: bool = True,
    width: int = 8,
    seed: int = 0,
    config: str = "",
    psnr: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    reference: Sequence[float] | None = None,
) -> Path:
    """A run of super-resolution as a training leaves it.

    Args:
        rows: epochs in metrics.csv.
        summary: whether it came to its end.
        config: YAML that stands in for the one of `width` and `seed`.
        psnr: metrics of its val images, called `names`, else 0.png, 1.png, ...
        groups: of the val images, as crops of one photograph are.
        reference: PSNR of the baseline on the val images; without it the baseline is known by its mean alone, 13 dB.
    """
    with _writer(folder, config or f"model: {{name: residual, width: {width}}}\nseed: {seed}\n") as run:
        for epoch in range(1, rows + 1):
            run.append_row(
                {"epoch": epoch, "step": epoch, "train_mse": 0.1 / epoch, "val_mse": 0.2 / epoch,
                 "identity_mse": 0.05, "wall_seconds": 2.0 * epoch}
            )  # fmt: skip
        val = {"mse": 0.06, "psnr": 12.2, "ssim": 0.5}
        if psnr:
            val["psnr"] = sum(psnr) / len(psnr)
            names = names or [f"{i}.png" for i in range(len(psnr))]
            columns = {"name": names, "psnr": psnr, "group": groups}
            columns["identity_mse"] = [10 ** (-value / 10) for value in reference] if reference else None
            known = {key: values for key, values in columns.items() if values}
            cells = zip(*known.values(), strict=True)
            run.write_images([{"split": "val", **dict(zip(known, values, strict=True))} for values in cells])
        mean_reference = sum(reference) / len(reference) if reference else 13.0
        if summary:
            run.finish({
                "status": "done", "data": {"name": "toy", "fingerprint": fingerprint},
                "protocol": {"channels": "RGB", "rounded": True, "border": 0, "baseline": "returning the input"},
                "parameters": 1234, "epochs": rows, "train": {"mse": 0.03}, "val": val, "test": None,
                "identity": {"mse": 0.05, "psnr": mean_reference}, "seconds": 6.0, "images_per_second": 10.0,
                "rss_peak_mb": 100.0, "vram_peak_mb": None,
            })  # fmt: skip
    return folder


Answer = tuple[str, str]
"""(true class, answer)"""


def write_classifier(
    folder: Path,
    answers: Sequence[Answer],
    *,
    test: Sequence[Answer] = (),
    classes: Sequence[str] | None = None,
    rows: int = 3,
    summary: bool = True,
    width: int = 8,
    seed: int = 0,
    train_accuracy: bool = True,
    samples: int = 0,
) -> Path:
    """A run of classification as a training leaves it: what it answered on val and test, and some of the images."""
    splits = {"val": answers, "test": test}
    right = {name: float(np.mean([true == given for true, given in found])) for name, found in splits.items() if found}
    config = f"task: classification\nmodel: {{name: conv_classifier, width: {width}}}\nseed: {seed}\n"
    with _writer(folder, config) as run:
        for epoch in range(1, rows + 1):
            row = {"epoch": epoch, "step": epoch, "train_loss": 0.9 / epoch, "val_cross_entropy": 1.0 / epoch**0.5,
                   "val_accuracy": right["val"] * epoch / rows}  # fmt: skip
            run.append_row({**row, "train_accuracy": 0.99 * epoch / rows} if train_accuracy else row)
        if summary:
            run.write_images([
                {"split": split, "name": str(i), "cross_entropy": 0.1 if true == given else 2.5,
                 "accuracy": float(true == given), "label": true, "prediction": given}
                for split, found in splits.items() for i, (true, given) in enumerate(found)
            ])  # fmt: skip
            shown, split = (test, "test") if test else (answers, "val")
            for place in sorted({k * len(shown) // samples for k in range(samples)}):
                write_image(run.samples / f"{split}_{place}.png", (28, 28), "L", seed=place)
            run.finish({
                "status": "done", "task": "classification",
                "data": {"name": "toys", "fingerprint": "0", "classes": classes},
                "protocol": {"channels": "L", "rounded": True, "border": 0, "baseline": "returning the input"},
                "parameters": 1000 * width, "multiply_adds": 50_000 * width, "epochs": rows, "best_epoch": rows,
                "train": {"mse": None, "loss": 0.3, "cross_entropy": 0.25, "accuracy": 0.99}, "identity": None,
                **{s: {"cross_entropy": 0.5, "accuracy": right[s]} if s in right else None for s in splits},
                "seconds": 6.0 * width, "images_per_second": 10.0, "rss_peak_mb": 100.0, "vram_peak_mb": None,
            })  # fmt: skip
    return folder


def write_samples(run: Path, *, names: Sequence[str] = ("1", "2"), shift: float = 0.0) -> Path:
    """Samples whose inputs and targets are the same in all runs; outputs are the targets, darker by `shift`."""
    for name in names:
        high = 40 + random_pixels(24, 32, 3, seed=len(name) + ord(name[0])) % 176
        sides = {"high": high, "low": high ^ 1, "output": (high - 40 * shift).astype(np.uint8)}
        for side, pixels in sides.items():
            Image.fromarray(pixels).save(run / "samples" / f"{name}_{side}.png")
    return run


def edit_summary(run: Path, **changes: Any) -> Path:
    """Put other values into summary.json."""
    document = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    (run / "summary.json").write_text(json.dumps({**document, **changes}), encoding="utf-8")
    return run
