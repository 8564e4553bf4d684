"""A network as the upscaler sees it: what it states about itself, and the engine that runs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from srae.checkpoints.facts import Geometry, NetworkFacts

Precision = Literal["float32", "bfloat16"]


class Engine(Protocol):
    """Runs one network."""

    name: str
    device: str
    has_bfloat16: bool
    """Whether bfloat16 is computed by the hardware."""

    def run(self, batch: np.ndarray, precision: Precision) -> np.ndarray:
        """Float32 (B, C, h, w) in [0, 1] -> float32 (B, C, scale * h, scale * w); sides as the network takes them.

        Raises:
            MemoryError, RuntimeError: see `tiles.is_memory_error`.
            ConfigError: this engine cannot compute in that precision.
        """


def thread_limit() -> int | None:
    """What the user allows by `OMP_NUM_THREADS`, which torch obeys by itself; None: as many as there are cores."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() and int(text) else None


@dataclass(frozen=True)
class Network:
    """A trained network, opened.

    Attributes:
        path: of its file.
    """

    path: Path
    facts: NetworkFacts
    engine: Engine

    @property
    def geometry(self) -> Geometry:
        return self.facts.geometry

    def pick_precision(self, wanted: str, pixels: np.dtype) -> Precision:
        """What the network computes in, of one of `enlarge.PRECISIONS`.

        ``auto`` is bfloat16 where the hardware has it and the difference is invisible: 8 bits, and a network that adds
        a correction to the enlarged image, so that bfloat16 rounds the correction only.  It changes the PSNR of the
        shipped networks by at most 0.01 dB (docs/results/performance.md).
        """
        if wanted == "auto":
            invisible = pixels == np.uint8 and self.facts.adds_to_bicubic
            return "bfloat16" if invisible and self.engine.has_bfloat16 else "float32"
        return "bfloat16" if wanted == "bfloat16" else "float32"
