"""srae from Python: `srae.load_model` and `srae.upscale`.

Examples:
    large = srae.upscale(Image.open("photo.jpg"), model="x2")

    model = srae.load_model("runs/residual")
    for frame in frames:  # (H, W, 3), uint8
        show(srae.upscale(frame, model=model))
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeGuard, TypeVar

import numpy as np
from PIL import Image

from srae.checkpoints.shipped import default_models, find_weights, next_scale, resolve_model
from srae.images.encode import to_image
from srae.images.metadata import resize_info
from srae.images.modes import converts_colors, to_pixels
from srae.upscaling.backends import ENGINES, open_network
from srae.upscaling.enlarge import UpscaleOptions, chain_scale, upscale_pixels
from srae.upscaling.exact_size import WantedSize, pick_factor, read_scale, resize_pixels
from srae.upscaling.network import Network

if TYPE_CHECKING:
    from torch import Tensor

Input = TypeVar("Input", Image.Image, np.ndarray, "Tensor")

_SHAPES = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
_TENSOR_SHAPES = "(C, H, W) or (B, C, H, W) with 1, 3 or 4 channels"


@dataclass(frozen=True)
class Model:
    """Trained networks, ready for `upscale`; most often one, else they run one after the other."""

    chain: tuple[Network, ...]

    @property
    def scale(self) -> int:
        """How much larger a side becomes; 1 for a network that keeps the size."""
        return chain_scale(self.chain, None)

    @property
    def engine(self) -> str:
        """What runs it: "torch", "openvino" or "onnxruntime"."""
        return self.chain[0].engine.name

    @property
    def device(self) -> str:
        """Where: "cpu", "cuda:0", "mps"."""
        return self.chain[0].engine.device


def load_model(model: str | Path, device: str = "auto", engine: str = "auto") -> Model:
    """A trained network by the name of a shipped model or of a run under `runs/`, by a run's folder, or by its file.

    Args:
        device: "auto" (CUDA where it works), "cpu", "cuda", "cuda:N" or "mps".
        engine: "auto" (the fastest that is installed and computes what torch computes), "torch", "openvino" or
            "onnxruntime".

    Raises:
        srae.errors.SraeError: there is no such model, it is damaged, or device or engine cannot be had.
    """
    if not isinstance(device, str) or device.partition(":")[0] not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"device is auto, cpu, cuda, cuda:N or mps; not {device!r}")
    if engine not in ENGINES:
        raise ValueError(f"engine is one of {', '.join(ENGINES)}; not {engine!r}")
    return Model((open_network(resolve_model(str(model), Path("runs")), engine=engine, device=device),))


_KEPT_MODELS = 4
_Key = tuple[str, int, int, str]
"""File, its time of change in ns, its bytes, and the engine."""
_kept: OrderedDict[_Key, Network] = OrderedDict()  # the longest unused first
_keeping = Lock()


def _keep_loaded(paths: list[Path], engine: str) -> Model:
    """As `load_model`; networks that `upscale` is given by name are read once, not for every image."""
    return Model(tuple(_load_once(find_weights(path), engine) for path in paths))


def _load_once(path: Path, engine: str) -> Network:
    try:
        about = path.stat()
    except OSError:
        return open_network(path, engine=engine)  # which says what is wrong
    key = str(path.absolute()), about.st_mtime_ns, about.st_size, engine
    with _keeping:  # also while one is read: of many threads that begin at once, one does it
        if key not in _kept:
            _kept[key] = open_network(path, engine=engine)
        _kept.move_to_end(key)
        while len(_kept) > _KEPT_MODELS:
            _kept.popitem(last=False)
        return _kept[key]


def upscale(
    image: Input,
    model: Model | str | Path | None = None,
    *,
    scale: float | None = None,
    tile: int | None = None,
    self_ensemble: bool = False,
    precision: str = "auto",
    alpha: str = "blend",
    wrap: str = "",
    engine: str = "auto",
) -> Input:
    """Enlarge or enhance an image; what comes out is of the type that goes in, each side `scale` times as long.

    Args:
        image: one of

            - a Pillow image of any mode. Grey, alpha, 16-bit grey and floats stay; palettes, HSV and YCbCr
              become RGB or RGBA, CMYK (through its profile) and Lab become sRGB, integers of 32 bits become
              16 bits or floats. In `info` stay EXIF and XMP, with the new size, dpi, texts and comment;
              the profile and what else tells of colours where it still holds.
            - a NumPy array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the fourth channel alpha:
              uint8, uint16, or float32 of any range, which stays; alpha is in [0, 1]. Any byte order.
            - a tensor (C, H, W) or (B, C, H, W) with 1, 3 or 4 channels of floats, as above;
              the result is on the same device.
        model: from `load_model`, or what `load_model` takes; None: the model that ships for this scale. The four
            that were used last stay in memory, as long as their files do not change.
        scale: None: the model's own. Less than that, or between the scales of the shipped models: the result of the
            next larger is reduced, antialiased; sides are rounded to whole pixels. A model that keeps the size
            enlarges before it works.
        tile: side of the pieces that a large image is cut into, in pixels; None: chosen.
        self_ensemble: the mean over the eight turns and flips: a little better, eight times as slow.
        precision: "float32", "bfloat16", or "auto": bfloat16 where the hardware has it and it changes a
            result by at most 0.01 dB (8 bits, networks that add to the enlarged image).
        alpha: "blend", transparency; "separate", a plane of its own, as the fourth channel of a texture is.
        wrap: directions in which the image continues at its other side: "x", "y", "xy", or "" none.
        engine: as of `load_model`; of a model from there it stays what it is.

    Raises:
        TypeError, ValueError: the image is of another type or shape, or not finite; tile or scale is no positive
            number; no such precision, alpha or wrap.
        srae.errors.SraeError: no such model, it does not enlarge by `scale`, or too little memory.
    """
    times, options = read_scale(scale), UpscaleOptions(None, tile, self_ensemble, precision, alpha, wrap)
    if engine not in ENGINES:
        raise ValueError(f"engine is one of {', '.join(ENGINES)}; not {engine!r}")
    if not isinstance(image, Image.Image | np.ndarray) and not _is_tensor(image):
        raise TypeError(f"image is a Pillow image, a NumPy array or a tensor, not {type(image).__name__}")
    run = partial(_run, model=_pick(model, times, engine), options=options, times=times)
    if isinstance(image, np.ndarray):
        return _upscale_array(image, run)
    if isinstance(image, Image.Image):
        return _upscale_image(image, run)
    return _upscale_tensor(image, run)  # type: ignore[return-value]  # what is left is a tensor


def _is_tensor(image: object) -> TypeGuard[Tensor]:
    """Without an import of torch: who has none of its modules has no tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def _pick(model: Model | str | Path | None, times: Fraction | None, engine: str) -> Model:
    if isinstance(model, Model):
        return model
    if model is None:
        return _keep_loaded(default_models(next_scale(times)), engine)
    if isinstance(model, str | Path):
        return _keep_loaded([resolve_model(str(model), Path("runs"))], engine)
    raise TypeError(f"model is a name, a path, or what load_model gives; not {type(model).__name__}")


_Run = Callable[[np.ndarray], np.ndarray]
"""(H, W, 1..4), two and four channels with alpha -> as many channels, larger."""


def _run(pixels: np.ndarray, model: Model, options: UpscaleOptions, times: Fraction | None) -> np.ndarray:
    options = replace(options, scale=pick_factor(model.chain, times))
    large = upscale_pixels(pixels, model.chain, options)
    size = large.shape[:2] if times is None else WantedSize(times).size_of(*pixels.shape[:2])
    return large if large.shape[:2] == size else resize_pixels(large, size, separate=options.alpha == "separate")


def _upscale_image(image: Image.Image, run: _Run) -> Image.Image:
    image.load()
    try:
        pixels = to_pixels(image, "image")
    except Exception as error:
        raise ValueError(f"images of mode {image.mode} cannot be enlarged: {error}") from None
    large = to_image(run(pixels))
    large.info = resize_info(image.info, large.height, large.width, converted=converts_colors(image))
    return large


def _upscale_array(image: np.ndarray, run: _Run) -> np.ndarray:
    if not image.dtype.isnative:
        image = image.astype(image.dtype.newbyteorder("="))
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise TypeError(f"an array of {image.dtype}: give uint8, uint16, or float32")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)) or 0 in image.shape:
        raise ValueError(f"an array of shape {image.shape}: give {_SHAPES}")
    if image.dtype == np.float32:
        _check_finite(bool(np.isfinite(image).all()))
    large = run(image if image.ndim == 3 else image[:, :, None])
    return np.ascontiguousarray(large if image.ndim == 3 else large[:, :, 0])


def _upscale_tensor(image: Tensor, run: _Run) -> Tensor:
    import torch

    if not image.is_floating_point():
        raise TypeError(f"a tensor of {image.dtype}: give floats")
    if image.dim() not in (3, 4) or image.shape[-3] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(f"a tensor of shape {tuple(image.shape)}: give {_TENSOR_SHAPES}")
    image = image.detach()
    _check_finite(bool(torch.isfinite(image).all()))
    batch = image[None] if image.dim() == 3 else image
    results = [
        torch.from_numpy(run(planes.float().cpu().permute(1, 2, 0).numpy())).permute(2, 0, 1)
        for planes in batch  # (C, H, W) -> (H, W, C) and back
    ]
    large = torch.stack(results).to(image)
    return large[0] if image.dim() == 3 else large


def _check_finite(finite: bool) -> None:
    if not finite:
        raise ValueError("values that are not finite: replace NaN and infinity first")
