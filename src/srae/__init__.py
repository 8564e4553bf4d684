"""srae: train, compare and use super-resolution autoencoders.

A YAML becomes a run folder, everything else reads run folders.  Importing this
package costs nothing: no torch, no numpy.  From Python:

    model = srae.load_model("x2")
    large = srae.upscale(image, model=model)  # a Pillow image, an array or a tensor; `help(srae.upscale)`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srae.upscaling.api import Model, load_model, upscale

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load_model", "upscale"]


def __getattr__(name: str) -> object:
    """PEP 562: what needs torch is imported when it is first asked for."""
    if name in ("Model", "load_model", "upscale"):
        from srae.upscaling import api

        value = globals()[name] = getattr(api, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
