"""Images through networks: colour, transparency and depth are the image's, whatever the network's channels are.

Pixels stay as they are in the file, one or two bytes each; they become floats
tile by tile on their way into the network, and bytes again on their way out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from srae.errors import ConfigError, ResourceError
from srae.images.encode import make_pixels
from srae.images.image import TaggedImage
from srae.memory import check_memory
from srae.upscaling.conversion import convert_alpha, convert_color, describe_range, is_grey
from srae.upscaling.network import Network
from srae.upscaling.network_run import NetworkRun
from srae.upscaling.tiles import ProgressCallback, is_memory_error

PRECISIONS = ("auto", "float32", "bfloat16")
ALPHAS = ("blend", "separate")
WRAPS = ("", "x", "y", "xy")
_SMALLER = "use a smaller --scale or image"
_FAR = 64  # pixels that a network sees beyond a joint at most, if it sees everything
_KERNEL_REACH = 4  # pixels beyond a joint that any resampling kernel takes


@dataclass(frozen=True)
class UpscaleOptions:
    """How images are enlarged, whatever the image, its file and the machine are.

    Attributes:
        scale: how much longer a side becomes; None: the model's own.
        tile: side of the pieces, in pixels of the input; None: chosen, see `run_pieces`.
        self_ensemble: the mean over eight turns and flips, see `turned_mean`; takes eight times as long.
        precision: one of `PRECISIONS`, see `Network.pick_precision`.
        alpha: what a second or fourth channel is: "blend", transparency, so that colours of invisible pixels are
            free; "separate", any plane of its own, as textures have (gloss, height, a mask).
        wrap: directions in which the image continues at its other side: "x" a panorama of 360 degrees, "xy" a
            seamless texture, "y", or "" none.

    Raises:
        ValueError: `scale` or `tile` is no positive number; a word that is none of the choices.
    """

    scale: int | None = None
    tile: int | None = None
    self_ensemble: bool = False
    precision: str = "auto"
    alpha: str = "blend"
    wrap: str = ""

    def __post_init__(self) -> None:
        for name, value in (("scale", self.scale), ("tile", self.tile)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} is a whole number of at least 1, or None; not {value!r}")
        for name, choices in (("precision", PRECISIONS), ("alpha", ALPHAS), ("wrap", WRAPS)):
            if getattr(self, name) not in choices:
                wanted = ", ".join(choice or '""' for choice in choices)
                raise ValueError(f"{name} is one of {wanted}; not {getattr(self, name)!r}")


_DEFAULTS = UpscaleOptions()


def pick_scale(network: Network, scale: int | None) -> int:
    """The factor between input and output image.

    Raises:
        ConfigError: the model cannot enlarge by `scale`.
    """
    own = network.geometry.scale
    if own > 1 and scale not in (None, own):
        raise ConfigError(
            f"this model enlarges by {own}, not by {scale}",
            str(network.path),
            f"use --scale {own} or less, or another --model",
        )
    return own if own > 1 else scale or 1


def chain_scale(chain: Sequence[Network], scale: int | None) -> int:
    """`pick_scale` of models that run one after the other; several are given for the scales that they have."""
    if len(chain) == 1:
        return pick_scale(chain[0], scale)
    own = math.prod(pick_scale(network, None) for network in chain)
    if scale not in (None, own):
        raise ConfigError(f"these models enlarge by {own}, not by {scale}", str(chain[0].path), f"use --scale {own}")
    return own


def upscale_image(
    image: TaggedImage,
    chain: Sequence[Network],
    options: UpscaleOptions = _DEFAULTS,
    *,
    kind: str = "PNG",
    progress: ProgressCallback | None = None,
) -> tuple[TaggedImage, list[str]]:
    """Enlarge or enhance one image; the result is exactly `chain_scale` times its size.

    Grey stays grey and transparency stays, whatever channels the models have.

    Args:
        chain: models that run one after the other; most often one.
        kind: format that the result will be written in; it decides how the pixels lie in memory.

    Returns:
        The image, and remarks for the user about how it was made.

    Raises:
        ConfigError: see `pick_scale`.
        CheckpointError: a model's output is not finite.
        ResourceError: not enough memory.
    """
    notes: list[str] = []
    for network, factor in zip(chain, _factors(chain, options.scale), strict=True):
        notes += _remarks(image, network, factor)
    if stretched := describe_range(image.pixels[:, :, : image.colors], chain[0]):
        notes.append(stretched)
    if options.self_ensemble:
        notes.append("self-ensemble: the mean over 8 turns and flips, 8 times the work")
    pixels = upscale_pixels(image.pixels, chain, options, kind=kind, progress=progress)
    return replace(image, pixels=pixels), notes


def upscale_pixels(
    pixels: np.ndarray,
    chain: Sequence[Network],
    options: UpscaleOptions = _DEFAULTS,
    *,
    kind: str = "PNG",
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """uint8, uint16, or float32 of any range, (H, W, 1..4) -> the same type and channels, larger.

    See `upscale_image` for the arguments and errors; two and four channels end in alpha.
    """
    if options.wrap:
        return _upscale_wrapped(pixels, chain, options, kind=kind, progress=progress)
    given = pixels.dtype
    for i, (network, factor) in enumerate(zip(chain, _factors(chain, options.scale), strict=True)):
        shape, last = (pixels.shape[0] * factor, pixels.shape[1] * factor, pixels.shape[2]), i == len(chain) - 1
        # Between two networks nothing is rounded to 8 bits.
        levels = np.dtype(np.uint16) if given == np.uint8 and not last else given
        with _memory_errors(shape):
            # Memory for the result comes first: where it is too little, nothing is computed.
            output = _allocate(shape, levels, kind)
            precision = network.pick_precision(options.precision, given)
            runs = _plan_runs(pixels, output, network, factor, options)
            for number, run in enumerate(runs):
                share = (
                    partial(_share_of, progress, i + number / len(runs), len(runs), len(chain)) if progress else None
                )
                run.execute(precision, tile=options.tile, self_ensemble=options.self_ensemble, progress=share)
        pixels = output
    return pixels


def _upscale_wrapped(
    pixels: np.ndarray,
    chain: Sequence[Network],
    options: UpscaleOptions,
    *,
    kind: str,
    progress: ProgressCallback | None,
) -> np.ndarray:
    """With what lies across the joint on every side that wraps, as far as the networks see; it is cut off again."""
    reach, done = 0, 1
    for network, factor in zip(chain, _factors(chain, options.scale), strict=True):
        geometry = network.geometry
        inside = done * factor // geometry.scale  # a network that keeps the size sees pixels that are enlarged already
        reach += -(-min(geometry.margin, _FAR) // inside)
        done *= factor
    reach += _KERNEL_REACH
    tall, wide = reach * ("y" in options.wrap), reach * ("x" in options.wrap)
    around = np.pad(pixels, ((tall, tall), (wide, wide), (0, 0)), mode="wrap")
    large = upscale_pixels(around, chain, replace(options, wrap=""), kind=kind, progress=progress)
    return large[tall * done : large.shape[0] - tall * done, wide * done : large.shape[1] - wide * done]


def _plan_runs(
    pixels: np.ndarray, output: np.ndarray, network: Network, factor: int, options: UpscaleOptions
) -> list[NetworkRun]:
    """The colours through the network, and the transparency, where the network has no channel for it."""
    count = 1 if pixels.shape[2] < 3 else 3
    alpha = pixels[:, :, count:] if pixels.shape[2] > count else None
    color = pixels[:, :, : 1 if is_grey(pixels) else count]  # three equal channels run as one and come out equal
    together = alpha is not None and network.facts.channels == 4
    if together:
        color = pixels[:, :, :count]
    conversion = convert_color(color, alpha, network, factor, fill=options.alpha == "blend")
    if together or alpha is None:
        return [NetworkRun(network, conversion, output)]
    return [
        NetworkRun(network, conversion, output[:, :, :count]),
        NetworkRun(network, convert_alpha(alpha, network, factor), output[:, :, count:], keeps_flat=True),
    ]


def _factors(chain: Sequence[Network], scale: int | None) -> list[int]:
    """How much each model of a chain makes a side longer; see `chain_scale` for the errors."""
    whole = chain_scale(chain, scale)
    return [whole] if len(chain) == 1 else [pick_scale(network, None) for network in chain]


def _share_of(progress: ProgressCallback, done: float, parts: int, chain: int, share: float) -> None:
    """Args: done: networks; parts: runs of each."""
    progress((done + share / parts) / chain)


def _allocate(shape: tuple[int, int, int], dtype: np.dtype, kind: str) -> np.ndarray:
    """Pixels (H, W, C) for a result that will be written as `kind`."""
    height, width, channels = shape
    check_memory(math.prod(shape) * dtype.itemsize, f"an image of {width}x{height}", _SMALLER)
    return make_pixels(height, width, channels, dtype, kind)


@contextmanager
def _memory_errors(shape: tuple[int, int, int]) -> Iterator[None]:
    """Context in which out of memory, however it is said, is a ResourceError about a result of this shape."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        raise ResourceError("not enough memory", f"for {shape[1]}x{shape[0]}", _SMALLER) from None


def _remarks(image: TaggedImage, network: Network, factor: int) -> list[str]:
    facts, geometry, notes = network.facts, network.geometry, []
    if geometry.scale == 1 and factor == 1:
        notes.append("this model keeps the size; --scale 2 enlarges first")
    elif geometry.scale < factor:
        notes.append(f"this model keeps the size: images are enlarged x{factor} ({facts.enlarge_kernel}) before it")
        if facts.trained_scale not in (None, factor):
            notes.append(f"it was trained on images enlarged x{facts.trained_scale}")
    if geometry.fixed_size:
        height, width = geometry.fixed_size
        notes.append(f"this model has the fixed input size {width}x{height}: other sizes run in overlapping windows")
    elif geometry.sees_all:
        notes.append("this model sees the whole image at once: it runs in one piece, not in tiles")
    if network.facts.channels == 1 and not is_grey(image.pixels):
        notes.append("this model knows grey only: the colours are enlarged bicubically")
    return notes
