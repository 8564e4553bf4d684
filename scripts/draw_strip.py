"""The image of docs/upscale.md that shows what becomes of JPEG artefacts: bicubic, x2 and x2_photo side by side.

    python scripts/draw_strip.py docs/results/jpeg_x2.png

The image is drawn here, twice as large as it is then saved: nothing of it is anybody else's.
"""

from __future__ import annotations

import sys
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import srae

WIDTH, HEIGHT = 320, 280
QUALITY = 50


def main() -> int:
    drawn = draw()
    file = BytesIO()
    drawn.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BICUBIC).save(file, "JPEG", quality=QUALITY)
    low = Image.open(file).convert("RGB")
    sides = {f"JPEG, quality {QUALITY}: bicubic": low.resize(drawn.size, Image.Resampling.BICUBIC)}
    sides |= {f"srae: {name}": srae.upscale(low, model=name) for name in ("x2", "x2_photo")}
    sides["as it was drawn"] = drawn
    zoom, foot = 1, 26
    figure = Figure(figsize=(len(sides) * WIDTH * zoom / 100, (HEIGHT * zoom + foot) / 100), dpi=100)
    for i, (title, side) in enumerate(sides.items()):
        height = HEIGHT * zoom / (HEIGHT * zoom + foot)
        axes = figure.add_axes((i / len(sides), 1 - height, 0.995 / len(sides), height))
        axes.imshow(side, interpolation="nearest")
        axes.set_axis_off()
        error = np.mean((np.asarray(side, float) - np.asarray(drawn, float)) ** 2)
        text = title if error == 0 else f"{title}, {10 * np.log10(255**2 / error):.2f} dB"
        figure.text((i + 0.5) / len(sides), (1 - height) / 2, text, ha="center", va="center", fontsize=11)
    figure.savefig(sys.argv[1])
    return 0


def draw() -> Image.Image:
    """A card with text, curves, a fan of lines and soft shades."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.set_axis_off()
    y, x = np.mgrid[0:1:200j, 0:1:200j]
    shade = np.stack([0.93 - 0.25 * y, 0.80 - 0.25 * x * y, 0.62 + 0.2 * x], -1)
    axes.imshow(shade, extent=(0, WIDTH, 0, HEIGHT), interpolation="bilinear", zorder=-1)
    angles = np.linspace(0, np.pi / 2, 24)
    for angle in angles:
        axes.plot([8, 8 + 130 * np.cos(angle)], [8, 8 + 130 * np.sin(angle)], color="#16324f", linewidth=1)
    along = np.linspace(0, 2 * np.pi, 600)
    for k in range(7):
        radius = 40 + 9 * np.sin(9 * along + k * 0.9)
        axes.plot(232 + radius * np.cos(along), 88 + radius * np.sin(along), color="#7a1e2c", linewidth=1.1)
    axes.text(14, 236, "super-resolution", fontsize=21, family="serif", color="#111111")
    axes.text(14, 212, "the quick brown fox jumps over the lazy dog", fontsize=8.5, color="#111111")
    axes.text(14, 186, "λ = 550 nm   ∫ f(x) dx = Σ aᵢ²", fontsize=13, family="serif", color="#0b3d2e")
    axes.text(14, 152, "srae", fontsize=26, weight="bold", color="#c2410c")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


if __name__ == "__main__":
    raise SystemExit(main())
