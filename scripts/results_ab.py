"""Figures and tables of docs/results/reports_a_b.md, from the run folders of reports A and B.

    python scripts/results_ab.py runs docs/results

Draws measured curves over the published ones (report A in its own unit, values
in [-1, 1]) and prints the tables as Markdown.  The last table holds every run
that was scored under one protocol on the whole val folder:

    srae eval --model RUN --data data/isr855
"""

from __future__ import annotations

import csv
import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from srae.report.curves import BASELINE, COLORS, save_figure
from srae.runs.reader import Run, read_run

SCORES = "images-isr855-val-rgb.csv"
SIDES = (("train_mse", "train", COLORS[0], "o"), ("val_mse", "val", COLORS[1], "s"))


def main(runs_dir: Path, output: Path) -> None:
    published = json.loads(resources.files("srae.report").joinpath("published.json").read_text())
    for report in ("report_a", "report_b"):
        source = published[report]
        runs = {name: read_run(runs_dir / name) for name in source["curves"] if (runs_dir / name).is_dir()}
        draw(source, runs, output / f"{report}_curves")
        print(f"\n## {report}\n\n{table(source, runs)}")
    print(f"\n## one protocol\n\n{scored_table(runs_dir)}")


def draw(source: dict[str, Any], runs: dict[str, Run], stem: Path) -> None:
    """One panel a variant: our curves as lines, published points as open markers."""
    columns = min(2, len(runs))
    rows = -(-len(runs) // columns)
    figure = Figure(figsize=(5.2 * columns, 3.4 * rows), layout="constrained")
    for i, (name, run) in enumerate(runs.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        points, factor = source["curves"][name], source["divide_by"]
        for column, label, color, marker in SIDES:
            ours = [(row["epoch"], row[column] * factor) for row in run.rows if row[column] is not None]
            axes.plot(*zip(*ours, strict=True), "-", color=color, label=f"{label}, srae")
            if column in points:
                axes.plot(
                    points["epoch"], points[column], marker, color=color, fillstyle="none", label=f"{label}, published"
                )
        identity = (run.rows[0]["identity_mse"] or 0) * factor
        axes.axhline(identity, color=BASELINE, linestyle=":", label=f"returning the input, {identity:.4f}")
        axes.set(
            title=name, xlabel="epoch", yscale="log", ylabel="MSE, values in " + ("[-1, 1]", "[0, 1]")[factor == 1]
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    save_figure(figure, stem)


def table(source: dict[str, Any], runs: dict[str, Run]) -> str:
    """Published / measured at the published epochs."""
    factor = source["divide_by"]
    lines = [
        "| variant | epoch | train published | train srae | val published | val srae |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in runs.items():
        points, measured = source["curves"][name], {row["epoch"]: row for row in run.rows}
        for i, epoch in enumerate(points["epoch"]):
            cells = [name, str(epoch)]
            for column, *_ in SIDES:
                cells.append(f"{points[column][i]:.4f}" if column in points else "-")
                value = measured.get(epoch, {}).get(column)
                cells.append(f"{value * factor:.4f}" if value is not None else "-")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scored_table(runs_dir: Path) -> str:
    """Runs that `srae eval` has scored, best first."""
    scored = []
    for file in runs_dir.glob(f"*/{SCORES}"):
        with open(file, newline="") as lines:
            rows = list(csv.DictReader(lines))
        mse, psnr, ssim = (sum(float(row[key]) for row in rows) / len(rows) for key in ("mse", "psnr", "ssim"))
        scored.append((psnr, mse, ssim, read_run(file.parent)))
    lines = [
        "| run | parameters | epochs | precision | MSE | PSNR (dB) | SSIM | training s | images/s | RAM (MB) |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for psnr, mse, ssim, run in sorted(scored, key=lambda row: -row[0]):
        summary = run.summary or {}
        learned = summary["parameters"] > 0
        cells = [
            run.name,
            f"{summary['parameters']:,}",
            str(summary["epochs"]),
            summary["config"]["train"]["precision"] if learned else "-",
            f"{mse:.6f}",
            f"{psnr:.2f}",
            f"{ssim:.4f}",
            f"{summary['seconds']:.0f}" if learned else "-",
            f"{summary['images_per_second']:.1f}" if learned else "-",
            f"{summary['rss_peak_mb']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
