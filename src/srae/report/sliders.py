"""Before-and-after sliders: layers of an image that a reader moves over each other."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.image import imsave

from srae.report.canvas import Variant
from srae.report.samples import Sample
from srae.report.words import Words

MAX_SLIDER_SIDE = 512  # pixels: larger images would make the page too heavy to mail
MAX_SLIDERS = 4
_NO_CLOCK: Any = {"Software": None}  # no date and no version, so that equal runs give equal bytes


def make_slider(sample: Sample, variants: Sequence[Variant], words: Words) -> dict[str, Any]:
    """Layers of one image; the input on the left and the best output on the right to begin with."""
    before, after = sample.surround(words)
    output = words["output" if after else "reconstruction"]
    names = {v.name: f"{output}: {v.name}" if len(variants) > 1 else output for v in variants}
    images = [*before, *((names[v.name], sample.outputs[v.name]) for v in variants), *after]
    layers = [{"name": name, "source": _png_uri(_middle(pixels, sample))} for name, pixels in images]
    first_model = next((i for i, v in enumerate(variants) if v.row.get("parameters") != 0), 0)
    height, width = (min(side, MAX_SLIDER_SIDE) for side in sample.high.shape[:2])
    label = words["slider"].format(sample=sample.name)
    return {"name": sample.name, "label": label, "layers": layers, "right": 1 + first_model, "size": (width, height)}


def _middle(pixels: np.ndarray, sample: Sample) -> np.ndarray:
    """The centre of a large image, cut at multiples of an input pixel."""
    low = sample.low.shape
    scale = pixels.shape[0] // low[0]
    side = MAX_SLIDER_SIDE // (sample.high.shape[0] // low[0])
    top, left = (max(0, (size - side) // 2) for size in low[:2])
    return pixels[top * scale : (top + side) * scale, left * scale : (left + side) * scale]


def _png_uri(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    imsave(buffer, (pixels * 255).round().clip(0, 255).astype(np.uint8), format="png", metadata=_NO_CLOCK)
    return data_uri(buffer.getvalue(), "image/png")


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
