"""The table of docs/results/benchmarks.md: every x2 network, what it reaches, what it costs.

    srae eval --model runs/x2 runs/published --data data/set5 --scale 2 --protocol y    # and set14, isr855
    python scripts/results_upscalers.py runs/x2 runs/published/*

Figures are those that `srae eval` left in the run folders, papers' those of
`srae/report/published.json`.  Speed is measured here:
an image of 512x512 made 1024x1024, as `srae upscale` computes it, all networks in
turn, twice each: the first call finds the memory as another network left it.  The
best of two rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib import resources
from pathlib import Path

import numpy as np

import srae
from srae.analysis.compare import stem_of
from srae.runs.reader import Run, read_run, scored_on

SETS = ("set5", "set14", "isr855")
SIDE = 512
ROUNDS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="finished run folders")
    runs = [read_run(path) for path in parser.parse_args().runs]
    seconds = {precision: time_all(runs, precision) for precision in ("float32", "auto")}
    heads = ["network", "parameters", "multiply-adds for 1280 x 720", "epochs", "minutes", *SETS]
    heads += [*(f"s/megapixel, {precision}" for precision in seconds), "paper: set5", "set14"]
    print("| " + " | ".join(heads) + " |\n|---" + "|---:" * (len(heads) - 1) + "|")
    for i, run in enumerate(runs):
        summary = run.summary or {}
        cells = [run.name, f"{summary['parameters']:,}", f"{multiply_adds(run) * 1280 * 720 / 1e9:.1f} G"]
        cells += [str(summary["epochs"]), f"{summary['seconds'] / 60:.0f}", *(score(run, name) for name in SETS)]
        cells += [*(f"{seconds[precision][i]:.2f}" for precision in seconds), *(paper(run, name) for name in SETS[:2])]
        print("| " + " | ".join(cells) + " |")


def multiply_adds(run: Run) -> float:
    """For one pixel of the result: a run counts those of a crop of its training."""
    summary = run.summary or {}
    return float(summary["multiply_adds"]) / int(summary["config"]["data"]["crop"]) ** 2


def score(run: Run, name: str) -> str:
    """``37.61 / 0.9591``, or ``-``"""
    scored = scored_on(run, f"{name}-val-y")
    if scored is None or scored.summary is None:
        return "-"
    val = scored.summary["val"]
    return f"{val['psnr']:.2f} / {val['ssim']:.4f}"


def paper(run: Run, name: str) -> str:
    """What was published of this network, ``36.66 / 0.9542``, or ``-``"""
    reports = json.loads(resources.files("srae.report").joinpath("published.json").read_text(encoding="utf-8"))
    for final in reports[f"field_{name}_x2"]["finals"].get(stem_of(run.name), []):
        return f"{final['val_psnr']:.2f} / {final['val_ssim']:.4f}"
    return "-"


def time_all(runs: list[Run], precision: str) -> list[float]:
    """Seconds per megapixel of the result."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    models = [srae.load_model(run.path, device="cpu") for run in runs]
    best = [float("inf")] * len(models)
    for _ in range(ROUNDS):
        for i, model in [(i, model) for i, model in enumerate(models) for _ in range(2)]:
            start = time.perf_counter()
            result = srae.upscale(image, model=model, precision=precision)
            best[i] = min(best[i], (time.perf_counter() - start) / (result.shape[0] * result.shape[1] / 1e6))
    return best


if __name__ == "__main__":
    main()
