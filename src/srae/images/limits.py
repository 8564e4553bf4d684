"""What is refused by the header of a file, before anything is decoded."""

from __future__ import annotations

from srae.errors import DataError

MAX_PIXELS = 178_000_000


def check_size(name: str, max_pixels: int, width: int, height: int) -> None:
    """Raises: DataError: too many pixels."""
    if width * height > max_pixels:
        remedy = f"if you trust the file: --max-pixels {width * height}"
        raise DataError(f"{width}x{height} is more than {max_pixels} pixels", name, remedy)


class SeveralFramesError(DataError):
    """Several frames or pages in one file, and none is chosen."""


def check_frame(name: str, frames: int, frame: int | None) -> None:
    """Raises: DataError: of several frames none is chosen, or there is no such frame."""
    if frames > 1 and frame is None:
        raise SeveralFramesError(
            f"{frames} frames or pages in one file", name, "choose one with --frame, 0 is the first, or --frame all"
        )
    if (frame or 0) not in range(frames):
        raise DataError(f"no frame {frame}", name, f"the file has {frames}, counted from 0")
