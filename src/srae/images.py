"""Files <-> pictures as float tensors (C, H, W) in [0, 1].  The only file that knows Pillow and uint8.

Every picture enters through one door (`_open`): five formats, recognised by
content; a pixel limit read from the header before anything is decoded; fully
decoded or refused; upright.  Every picture leaves through `write_picture`,
which never leaves a part of a file and never overwrites unasked.
"""

from __future__ import annotations

import io
import math
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from srae.errors import ConfigError, DataError, ResourceError
from srae.files import atomic_write

_FORMATS = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}
_FORMATS |= dict.fromkeys((".jpg", ".jpeg"), "JPEG") | dict.fromkeys((".tif", ".tiff"), "TIFF")
EXTENSIONS = frozenset(_FORMATS)
MAX_PIXELS = 178_000_000
_LONGEST_SIDE = {"JPEG": 65_535, "WEBP": 16_383}
# 4:4:4 and 95 because the point of the output is its detail; WebP loses nothing.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
_LONGEST_JPEG_EXIF = 65_533  # one segment
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A TIFF keeps its layout (strips, sizes, compression) among the same tags; only these describe the picture:
# description, make, model, software, date, artist, copyright, EXIF and GPS folders.
_TIFF_TAGS_KEPT = frozenset((270, 271, 272, 305, 306, 315, 33432, 34665, 34853))

_MODES = ("1", "L", "LA", "RGB", "RGBA")


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        color: float32 (1|3, H, W) in [0, 1]; one channel for grey.
        alpha: float32 (1, H, W) in [0, 1], or None when the file has none.
        bits: 16 for 16-bit grey, else 8.
        icc: colour profile as found in the file.
        exif: EXIF block without the orientation tag.
        dpi: dots per inch (x, y).
    """

    color: Tensor
    alpha: Tensor | None = None
    bits: Literal[8, 16] = 8
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


def to_float(pixels: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [0, 1]."""
    return pixels.to(torch.float32).div_(255)


def to_uint8(picture: Tensor) -> Tensor:
    """Float of any shape, clamped to [0, 1] -> uint8, rounded to nearest."""
    return (picture.clamp(0, 1) * 255).round_().to(torch.uint8)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that puts ``2.png`` before ``10.png``."""
    parts = re.split("([0-9]+)", name.casefold())  # text, digits, text, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def find_images(folder: str | Path) -> tuple[list[Path], int]:
    """Pictures directly inside a folder in natural order, and how many entries were passed over.

    Passed over are hidden files, folders, and files with other suffixes.  A
    broken link with a picture's suffix is listed: reading it tells its name.

    Raises:
        DataError: not a readable folder.
    """
    try:
        entries = list(Path(folder).iterdir())
    except OSError as error:
        raise DataError(f"cannot list folder: {error.strerror}", str(folder)) from None
    found = [
        path
        for path in entries
        if path.suffix.lower() in EXTENSIONS
        and not path.name.startswith(".")
        and (path.is_file() or (path.is_symlink() and not path.exists()))
    ]
    return sorted(found, key=lambda path: natural_key(path.name)), len(entries) - len(found)


# ------------------------------------------------------------------------- reading

_pillow_globals = threading.Lock()


@contextmanager
def _pillow_quiet() -> Iterator[None]:
    """Pillow's warnings and its own pixel limit are process-wide; off here, back afterwards, one thread at a time."""
    with _pillow_globals, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


class _Opened(NamedTuple):
    image: Image.Image
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None


def _open(data: bytes | Path, name: str, max_pixels: int, frame: int | None) -> _Opened:
    """Decode one picture, upright, as `_MODES` or 16-bit grey."""
    try:
        with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
            return _decode(file, name, max_pixels, frame)
    except DataError:
        raise
    except MemoryError:
        raise ResourceError("not enough memory for this picture", name, "use a smaller picture") from None
    except Exception as error:
        # Pillow's decoders raise almost anything on damaged files (struct.error, KeyError, SyntaxError ...).
        raise _unreadable(error, name) from None


def _unreadable(error: Exception, name: str) -> DataError:
    if isinstance(error, OSError) and error.errno:
        return DataError(f"cannot read picture: {error.strerror}", name)
    if isinstance(error, UnidentifiedImageError):
        return DataError("not a picture srae can read", name, "PNG, JPEG, WebP, BMP and TIFF are accepted")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"damaged picture: {reason}", name, "replace or remove the file")


def _decode(file: IO[bytes], name: str, max_pixels: int, frame: int | None) -> _Opened:
    with _pillow_quiet():
        image: Image.Image = Image.open(file, formats=tuple(set(_FORMATS.values())))
        _check_size(image, name, max_pixels)
        # Phones write a JPEG with a second, hidden picture (depth, HDR); the first is the photograph.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1 and frame is None:
            raise DataError(f"{frames} frames or pages in one file", name, "choose one with --frame, 0 is the first")
        if (frame or 0) not in range(frames):
            raise DataError(f"no frame {frame}", name, f"the file has {frames}, counted from 0")
        if frame:
            image.seek(frame)
            _check_size(image, name, max_pixels)
    image.load()
    icc, dpi = image.info.get("icc_profile"), _dpi(image)
    with _pillow_quiet():
        image, exif = _upright(image)
        if image.mode == "CMYK":
            image, icc = _from_cmyk(image, icc), None
        if image.mode in ("YCbCr", "RGBX"):
            image = image.convert("RGB")
        elif image.mode in ("P", "PA") or (image.has_transparency_data and image.mode in ("1", "L", "RGB")):
            grey = image.mode in ("1", "L")
            image = image.convert(("LA" if grey else "RGBA") if image.has_transparency_data else "RGB")
    if image.mode not in _MODES and not image.mode.startswith("I"):
        raise DataError(f"colour mode {image.mode} is not supported", name, "save it as RGB or grey")
    return _Opened(image, icc or None, exif, dpi)


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        remedy = f"if you trust the file: --max-pixels {width * height}"
        raise DataError(f"{width}x{height} is more than {max_pixels} pixels", name, remedy)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if math.isfinite(x + y) and min(x, y) > 0 else None


def _upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Turned as the EXIF orientation says, and the EXIF block without it; damaged EXIF is dropped, not an error."""
    exif = method = None
    try:
        tags = image.getexif()
        method = _UPRIGHT.get(tags.pop(_ORIENTATION, 1))
        if image.format == "TIFF":
            for tag in set(tags) - _TIFF_TAGS_KEPT:
                del tags[tag]
        exif = tags.tobytes() if len(tags) else None
    except Exception:  # whatever is wrong with the block, the pixels are fine
        pass
    return image.transpose(method) if method is not None else image, exif


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """RGB through the file's own ink profile where there is one, else by the plain complement."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            screen = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, profile, screen, outputMode="RGB") or image.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def _deep_pixels(image: Image.Image, name: str) -> np.ndarray:
    """uint16 (H, W) of mode I or I;16."""
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 65_535:
        raise DataError("grey values beyond 16 bits", name, "save it as 16-bit grey")
    return pixels.astype(np.uint16)


def read_pixels(
    data: bytes | Path, channels: Literal["L", "RGB", "RGBA"], *, name: str = "", max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode to exactly these channels: uint8 (H, W, C), C-contiguous.

    Grey from colour is BT.601 luma; missing alpha is 255; unwanted alpha is
    dropped; 16-bit grey is scaled, not clipped.

    Raises:
        DataError: missing, damaged, too large, animated, or no picture.
    """
    name = name or (str(data) if isinstance(data, Path) else "picture")
    image = _open(data, name, max_pixels, None).image
    if image.mode.startswith("I"):
        pixels = _deep_pixels(image, name)
        image = Image.fromarray(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode == "LA" and channels == "RGB":
        image = image.convert("L")
    pixels = np.array(image if image.mode == channels else image.convert(channels))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def read_picture(path: str | Path, *, max_pixels: int = MAX_PIXELS, frame: int | None = None) -> Picture:
    """Decode a file, keeping what belongs to it: depth, alpha, profile, EXIF.

    Raises:
        DataError: missing, damaged, too large, animated without `frame`, or no picture.
    """
    opened = _open(Path(path), str(path), max_pixels, frame)
    image = opened.image
    if image.mode.startswith("I"):
        deep = _deep_pixels(image, str(path))
        color = torch.from_numpy(deep.astype(np.float32) / 65_535)[None]
        hidden = image.info.get("transparency")
        alpha = torch.from_numpy((deep != hidden).astype(np.float32))[None] if isinstance(hidden, int) else None
        return Picture(color, alpha, 16, *opened[1:])
    pixels = torch.from_numpy(np.array(image.convert("L") if image.mode == "1" else image))
    planes = to_float(pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1).contiguous())  # (C, H, W)
    count = 1 if len(planes) < 3 else 3
    alpha = planes[count:] if len(planes) > count else None
    return Picture(planes[:count], alpha, 8, *opened[1:])


# ------------------------------------------------------------------------- writing


def write_picture(
    path: str | Path, picture: Picture, *, overwrite: bool = False, metadata: Literal["keep", "strip"] = "keep"
) -> None:
    """Write a picture; the suffix names the format.  The file appears whole or not at all.

    16-bit grey stays 16 bit in PNG and TIFF (without alpha) and becomes 8 bit elsewhere.

    Raises:
        ConfigError: the file exists (without `overwrite`), unknown suffix, or a format that cannot hold this picture.
        ResourceError: disk full, no permission, no such folder.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    data = _encode(path, picture, metadata == "keep")
    try:
        with atomic_write(path, overwrite=overwrite) as file:
            file.write(data)
    except FileExistsError:
        raise _exists(path) from None


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raises: ConfigError when the file exists (unless `overwrite`) or its suffix names no format."""
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"cannot write {path.suffix or 'a file without suffix'}", str(path), "use .png, .jpg or .tif")
    if os.path.lexists(path) and not overwrite:
        raise _exists(path)


def _exists(path: Path) -> ConfigError:
    return ConfigError("output exists", str(path), "give --overwrite or another -o")


def _encode(path: Path, picture: Picture, keep: bool) -> bytes:
    """Whole file in memory: Pillow writing straight to disk reports a full disk as an encoder error."""
    kind = _FORMATS[path.suffix.lower()]
    height, width = picture.color.shape[-2:]
    if max(height, width) > _LONGEST_SIDE.get(kind, 2**31):
        raise ConfigError(f"{width}x{height} does not fit into {kind}", str(path), "use .png")
    alpha = None if picture.alpha is None else to_uint8(picture.alpha)
    if alpha is not None and kind in ("JPEG", "BMP"):
        if int(alpha.min()) < 255:
            raise ConfigError(f"{kind} cannot hold transparency", str(path), "use .png")
        alpha = None
    if picture.bits == 16 and alpha is None and kind in ("PNG", "TIFF"):
        deep = (picture.color[0].clamp(0, 1).double() * 65_535).round().to(torch.int32)
        image = Image.fromarray(deep.cpu().numpy().astype(np.uint16))
    else:
        planes = to_uint8(picture.color) if alpha is None else torch.cat((to_uint8(picture.color), alpha))
        pixels = planes.cpu().permute(1, 2, 0).contiguous().numpy()  # (C, H, W) -> (H, W, C)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    options = dict(_SAVE_OPTIONS.get(kind, {}))
    if keep:
        found = {"icc_profile": picture.icc, "exif": picture.exif, "dpi": picture.dpi}
        options |= {key: value for key, value in found.items() if value}
        if kind == "JPEG" and len(picture.exif or b"") > _LONGEST_JPEG_EXIF:
            del options["exif"]
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def jpeg_roundtrip(pixels: np.ndarray, quality: int, *, chroma_halved: bool) -> np.ndarray:
    """uint8 (H, W, 1|3) as it comes back from a JPEG file; 4:2:0 with `chroma_halved`, else 4:4:4."""
    file = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(file, format="JPEG", quality=quality, subsampling=2 if chroma_halved else 0)
    with _pillow_quiet():
        saved = Image.open(file, formats=("JPEG",))
    return np.array(saved).reshape(pixels.shape)
