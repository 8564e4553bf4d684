"""srae: train, compare and use super-resolution autoencoders.

A YAML becomes a run folder, everything else reads run folders.  Importing this
package costs nothing: no torch, no numpy.  From Python:

    run = srae.train("residual", data="data/isr855")  # a run folder, as the command makes it
    scores = srae.evaluate(run, "data/set5", scale=2)
    large = srae.upscale(image, model="x2")  # a Pillow image, an array or a tensor; `help(srae.upscale)`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srae.evaluation.api import evaluate
    from srae.runs.reader import load_run
    from srae.training.api import resume, train
    from srae.upscaling.api import Model, load_model, upscale

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "evaluate", "load_model", "load_run", "resume", "train", "upscale"]

_HOMES = {
    "Model": "srae.upscaling.api",
    "evaluate": "srae.evaluation.api",
    "load_model": "srae.upscaling.api",
    "load_run": "srae.runs.reader",
    "resume": "srae.training.api",
    "train": "srae.training.api",
    "upscale": "srae.upscaling.api",
}


def __getattr__(name: str) -> object:
    """PEP 562: what needs torch is imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
