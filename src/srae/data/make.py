"""Write a folder of pairs from a folder of high-resolution images, or a folder of rendered images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from srae.data.degrade import LowKernel, find_misfit, make_low
from srae.data.depth import find_channels, find_range
from srae.data.groups import read_groups
from srae.data.intake import read_headers
from srae.data.layouts import SPLITS, find_pairs
from srae.data.matching import FileProblem, Pair, show
from srae.data.rendered import SCORING
from srae.data.scan import raise_problems
from srae.data.splits import split_by_name
from srae.errors import DataError, ResourceError
from srae.files import check_new_folder, replace_file, temporary_name
from srae.images.decode import decode
from srae.images.image import TaggedImage, write_image
from srae.images.levels import WHITE, Channels
from srae.images.resample import Kernel
from srae.images.write_tiff import write_bands
from srae.rendering.scenes import render_image


def make_pairs(
    high: Path,
    out: Path,
    *,
    scale: int,
    kernel: LowKernel = "bicubic",
    enlarge: Literal["bilinear", "bicubic"] | None = None,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    group_by: str | None = None,
) -> dict[str, int]:
    """Write ``OUT/{train,val,test}/{low_res,high_res}/NAME.png``; all of it or nothing.

    Every sample keeps its bits and its value; floats and images of many bands become TIFFs.

    Args:
        high: folder of images; its split folders are kept, else split by file name.
        kernel: "photo" makes the version that val and test images get in a training.
        enlarge: kernel that enlarges low-resolution images back to the high-resolution size.
        group_by: which images stay in one split, as `data.group_by` says.

    Returns:
        Pairs per split.

    Raises:
        ConfigError: `out` holds something.
        DataError: everything that is wrong with the images; nothing is written then.
    """
    if not high.is_dir():
        raise DataError("folder is missing", str(high), "check the path")
    check_new_folder(out)
    splits = _choose(high, shares, group_by)
    recipe = _Recipe.for_files(splits, high, kernel, scale, enlarge)
    jobs = [(split, pair) for split, pairs in splits.items() for pair in pairs]

    def write(job: tuple[str, Pair]) -> list[FileProblem]:
        split, pair = job
        try:
            _write_pair(pair, folder / split, recipe)
        except DataError as error:
            return [FileProblem(split, show(pair.high, high), error.what, error.remedy or "replace or remove the file")]
        return []

    with _new_folder(out) as folder:
        for split, pairs in splits.items():
            for side in ("low_res", "high_res") if pairs else ():
                (folder / split / side).mkdir(parents=True)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            problems = [problem for found in pool.map(write, jobs) for problem in found]
        if problems:
            raise_problems(problems, high)
    return {split: len(pairs) for split, pairs in splits.items() if pairs}


def make_rendered(out: Path, count: int, *, side: int = 256, seed: int = 0) -> None:
    """Write rendered images ``OUT/0000.png`` and so on, none of which a training has as a sample; all or nothing.

    Args:
        side: height and width in pixels.

    Raises:
        ConfigError: `out` holds something.
    """
    check_new_folder(out)
    with _new_folder(out) as folder:
        folder.mkdir()
        for i in range(count):
            bits = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([0, 0, i, SCORING], np.uint64))
            write_image(folder / f"{i:04}.png", TaggedImage(render_image(bits, side, side)))


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A path that becomes `out` at the end, or is removed.

    Raises:
        ResourceError: not writable.
    """
    made = temporary_name(out.absolute())
    try:
        yield made
        replace_file(made, out)
    except OSError as error:
        raise ResourceError(
            f"cannot write: {error.strerror}", str(out), "check the folder and its permissions"
        ) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def file_name(pair: Pair) -> str:
    """File name of both images of a pair, unless they are TIFFs; class folders become part of the name."""
    return PurePath(pair.name).with_suffix(".png").as_posix().replace("/", "-")


def _choose(high: Path, shares: tuple[float, float, float], group_by: str | None) -> dict[str, list[Pair]]:
    splits = find_pairs(high, high_only=True).splits
    if "" in splits:
        names = [pair.name for pair in splits[""]]
        groups = read_groups(names, group_by, high).of(names)
        splits = split_by_name(splits[""], shares[0], shares[1], groups=groups)
    for split in ("train", "val"):
        if not splits.get(split):
            raise DataError(f"no images for {split}", str(high), "at least one for train and one for val are needed")
    problems = []
    for split, pairs in splits.items():
        taken: dict[str, Pair] = {}
        for pair in pairs:
            first = taken.setdefault(file_name(pair).casefold(), pair)
            if first is not pair:
                what = f"would get the name of {first.name}, {file_name(pair)}"
                problems.append(FileProblem(split, pair.name, what, "rename one of them"))
    if problems:
        raise_problems(problems, high)
    return {split: splits[split] for split in SPLITS if split in splits}


@dataclass(frozen=True)
class _Recipe:
    """How the low-resolution images of a folder are made.

    Attributes:
        channels: of `measure_extremes`: a number of bands, or colours.
        values: black and white of images of more than 8 bits, see `whole_range`.
    """

    kernel: LowKernel
    scale: int
    enlarge: Kernel | None
    channels: Channels
    values: tuple[float, float]

    @staticmethod
    def for_files(
        splits: Mapping[str, list[Pair]], high: Path, kernel: LowKernel, scale: int, enlarge: Kernel | None
    ) -> _Recipe:
        """Raises: DataError: bands that the kernel cannot shrink, or that only some images have."""
        headers = read_headers(splits)
        channels = find_channels(headers)
        if not isinstance(channels, int):
            mixed = [
                FileProblem(split, show(pair.high, high), f"{headers[pair.high].colors} bands, others have colours", "")
                for split, pairs in splits.items()
                for pair in pairs
                if headers[pair.high].colors not in (1, 3)
            ]
            if mixed:
                remedy = "make the pairs of such images from a folder of their own"
                raise_problems([problem._replace(how_to_mend=remedy) for problem in mixed], high)
        elif kernel == "photo":
            what = f"kernel photo saves as JPEG, and these images have {channels} bands"
            raise DataError(what, str(high), "choose another --kernel")
        deep = [path for path, header in headers.items() if header.bits > 8]
        low, white = find_range(deep, channels, high)[0] if deep else (0, WHITE)
        return _Recipe(kernel, scale, enlarge, channels, (low, white))

    def shrink(self, high: np.ndarray, name: str) -> np.ndarray:
        """The low-resolution version of (H, W, C), in the same type and units."""
        has_alpha = not isinstance(self.channels, int) and high.shape[2] in (2, 4)
        make = partial(make_low, has_alpha=has_alpha, name=name)
        if high.dtype == np.uint8:
            return make(high, self.kernel, self.scale, self.enlarge)
        black, width = self._span(high.dtype, high.shape[2] - has_alpha, high.shape[2])
        low = make(((high - black) / width).astype(np.float32), self.kernel, self.scale, self.enlarge)
        values = low * width + black
        return (values if high.dtype == np.float32 else values.round()).astype(high.dtype)

    def _span(self, dtype: np.dtype, colors: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Black, and white minus black, of every sample of a pixel; alpha fills its type."""
        whole = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
        low, white = self.values
        black = np.array([low] * colors + [0.0] * (samples - colors))
        return black, np.array([white] * colors + [whole] * (samples - colors)) - black


def _write_pair(pair: Pair, folder: Path, recipe: _Recipe) -> None:
    bands = isinstance(recipe.channels, int)
    high = decode(pair.high, str(pair.high), bands=bands).pixels
    height, width = high.shape[:2]
    if misfit := find_misfit((height, width), recipe.kernel, recipe.scale):
        raise DataError(misfit, str(pair.high), "remove the file")
    high = np.ascontiguousarray(high[: height // recipe.scale * recipe.scale, : width // recipe.scale * recipe.scale])
    for side, pixels in (("high_res", high), ("low_res", recipe.shrink(high, pair.name))):
        path = folder / side / file_name(pair)
        if bands:
            write_bands(path.with_suffix(".tif"), pixels)
        else:
            write_image(path.with_suffix(".tif") if pixels.dtype == np.float32 else path, TaggedImage(pixels))
