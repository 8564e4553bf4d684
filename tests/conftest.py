"""What every test file may use: one torch thread, the command in a child process, small folders of pairs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from warm_parent import WarmParent

# The same examples at every start: a change is judged by what it changed. New examples are the long tier's work.
LONG = os.environ.get("SRAE_FAULTS") == "full"
settings.register_profile("srae", derandomize=not LONG, max_examples=1000 if LONG else 100, deadline=None)
settings.load_profile("srae")

Run = Callable[..., subprocess.CompletedProcess[str]]

SOURCE = Path(__file__).parents[1] / "src"
# Every child process too runs this checkout, whatever srae is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", ""))))


def pytest_configure() -> None:
    import srae

    if Path(srae.__file__).parents[1] != SOURCE:
        raise pytest.UsageError(f"these tests are of {SOURCE}, but srae is imported from {srae.__file__}")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two threads give other bits and make small tensors slower; tests without torch do not pay for it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> Any:
    """Where the arithmetic runs: the test is repeated on CUDA where there is one."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return torch.device(request.param)


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment of a user who has set nothing: no colours forced, no stray settings, one thread."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH") if key in os.environ}
    if "PYTHONPATH" in changes:
        changes["PYTHONPATH"] += os.pathsep + kept["PYTHONPATH"]
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


@pytest.fixture
def srae(tmp_path: Path) -> Run:
    """``srae("runs", "--json")``: the command in a child process, in an empty folder unless `cwd` says otherwise."""

    def run(
        *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "srae", *map(str, arguments)]
        environment = clean_environment(**(env or {}))
        return subprocess.run(
            command, cwd=cwd or tmp_path, env=environment, capture_output=True, text=True, timeout=timeout
        )

    return run


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    """A process that has imported torch and forks victims; see tests/faults/warm_parent.py."""
    from warm_parent import WarmParent

    with WarmParent(tmp_path_factory.mktemp("victims") / "output") as parent:
        yield parent


def write_run(
    folder: Path,
    *,
    fingerprint: str = "0",
    rows: int = 3,
    summary: bool = True,
    width: int = 8,
    seed: int = 0,
    psnr: list[float] | None = None,
) -> Path:
    """A run folder as a training leaves it, written by hand; `psnr` are the figures of its val images."""
    import json

    from srae.runs.layout import COLUMNS

    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model: {{name: residual, width: {width}}}\nseed: {seed}\n")
    lines = [",".join(COLUMNS)]
    for epoch in range(1, rows + 1):
        values = {"epoch": epoch, "step": epoch, "train_mse": 0.1 / epoch, "val_mse": 0.2 / epoch, "identity_mse": 0.05}
        lines.append(",".join(str(values.get(column, "")) for column in COLUMNS))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    if summary:
        document: dict[str, Any] = {
            "version": 1, "run": folder.name, "status": "done", "data": {"name": "toy", "fingerprint": fingerprint},
            "protocol": {"channels": "RGB", "rounded": True, "border": 0, "baseline": "returning the input"},
            "parameters": 1234, "epochs": rows, "train": {"mse": 0.03}, "val": {"mse": 0.06, "psnr": 12.2, "ssim": 0.5},
            "test": None, "identity": {"mse": 0.05, "psnr": 13.0}, "seconds": 6.0, "images_per_second": 10.0,
            "rss_peak_mb": 100.0, "vram_peak_mb": None,
        }  # fmt: skip
        if psnr:
            document["val"]["psnr"] = sum(psnr) / len(psnr)
            lines = ["split,name,psnr", *(f"val,{i}.png,{value}" for i, value in enumerate(psnr))]
            (folder / "images.csv").write_text("\n".join(lines) + "\n")
        (folder / "summary.json").write_text(json.dumps(document))
    return folder


Answer = tuple[str, str]
"""(true class, answer)"""


def write_classifier(
    folder: Path,
    answers: list[Answer],
    *,
    test: list[Answer] | None = None,
    classes: list[str] | None = None,
    fingerprint: str = "0",
    rows: int = 3,
    width: int = 8,
    seed: int = 0,
    train_accuracy: bool = True,
    samples: int = 0,
) -> Path:
    """A classification run as a training leaves it, written by hand: what it answered on val and test."""
    import csv
    import json

    import numpy as np
    from PIL import Image

    from srae.runs.layout import COLUMNS

    (folder / "samples").mkdir(parents=True)
    config = f"task: classification\nmodel: {{name: conv_classifier, width: {width}}}\nseed: {seed}\n"
    (folder / "config.yaml").write_text(config)
    splits = {"val": answers, "test": test or []}
    right = {
        name: sum(true == answer for true, answer in found) / len(found) for name, found in splits.items() if found
    }
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for epoch in range(1, rows + 1):
            row = {"epoch": epoch, "step": epoch, "train_loss": 0.9 / epoch, "val_cross_entropy": 1.0 / epoch**0.5,
                   "val_accuracy": right["val"] * epoch / rows}  # fmt: skip
            writer.writerow({**row, "train_accuracy": 0.99 * epoch / rows} if train_accuracy else row)
    with open(folder / "images.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["split", "name", "cross_entropy", "accuracy", "label", "prediction"])
        for split, found in splits.items():
            for i, (true, answer) in enumerate(found):
                table.writerow([split, str(i), 0.1 if true == answer else 2.5, float(true == answer), true, answer])
    shown = test or answers
    for place in sorted({k * len(shown) // samples for k in range(samples)} if samples else ()):
        pixels = np.random.default_rng(place).integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "samples" / f"{'test' if test else 'val'}_{place}.png")
    data: dict[str, Any] = {"name": "toys", "fingerprint": fingerprint, "classes": classes}
    document = {
        "version": 1, "run": folder.name, "status": "done", "task": "classification", "data": data,
        "protocol": {"channels": "L", "rounded": True, "border": 0, "baseline": "returning the input"},
        "parameters": 1000 * width, "multiply_adds": 50_000 * width, "epochs": rows, "best_epoch": rows,
        "train": {"mse": None, "loss": 0.3, "cross_entropy": 0.25, "accuracy": 0.99}, "identity": None,
        **{name: {"cross_entropy": 0.5, "accuracy": right[name]} if name in right else None for name in splits},
        "seconds": 6.0 * width, "images_per_second": 10.0, "rss_peak_mb": 100.0, "vram_peak_mb": None,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def pair_folder(tmp_path: Path) -> Callable[..., Path]:
    """A maker of ``{train,val}/{low_res,high_res}/NAME.png`` with random images (never zeros: they hide mistakes)."""

    def make(
        *,
        name: str = "pairs",
        train: int = 4,
        val: int = 2,
        size: tuple[int, int] = (16, 16),
        scale: int = 1,
        mode: str = "RGB",
        seed: int = 0,
    ) -> Path:
        import numpy as np
        from PIL import Image

        random = np.random.default_rng(seed)
        folder = tmp_path / name
        channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
        for split, count in (("train", train), ("val", val)):
            for side, factor in (("low_res", 1), ("high_res", scale)):
                (folder / split / side).mkdir(parents=True)
                for i in range(count):
                    shape = (size[0] * factor, size[1] * factor, channels)
                    pixels = random.integers(0, 256, shape, dtype=np.uint8)
                    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
                    image.save(folder / split / side / f"{i}.png")
        return folder

    return make
