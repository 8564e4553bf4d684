"""Write a folder of pairs from a folder of high-resolution images."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Literal

import torch

from srae.data.degrade import LowKernel, find_misfit, make_low
from srae.data.layouts import SPLITS, find_pairs
from srae.data.matching import FileProblem, Pair, show
from srae.data.scan import raise_problems
from srae.data.splits import split_by_name
from srae.errors import DataError, ResourceError
from srae.files import check_new_folder, replace_file, temporary_name
from srae.images.image import TaggedImage, read_image, to_uint8, write_image
from srae.images.resample import Kernel


def make_pairs(
    high: Path,
    out: Path,
    *,
    scale: int,
    kernel: LowKernel = "bicubic",
    enlarge: Literal["bilinear", "bicubic"] | None = None,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
) -> dict[str, int]:
    """Write ``OUT/{train,val,test}/{low_res,high_res}/NAME.png``; all of it or nothing.

    Args:
        high: folder of images; its split folders are kept, else split by file name.
        kernel: "photo" makes the version that val and test images get in a training.
        enlarge: kernel that enlarges low-resolution images back to the high-resolution size.

    Returns:
        Pairs per split.

    Raises:
        ConfigError: `out` holds something.
        DataError: everything that is wrong with the images; nothing is written then.
    """
    if not high.is_dir():
        raise DataError("folder is missing", str(high), "check the path")
    check_new_folder(out)
    splits = _choose(high, shares)
    partial = temporary_name(out.absolute())
    jobs = [(split, pair) for split, pairs in splits.items() for pair in pairs]

    def write(job: tuple[str, Pair]) -> list[FileProblem]:
        split, pair = job
        try:
            _write_pair(pair, partial / split, scale, kernel, enlarge)
        except DataError as error:
            return [FileProblem(split, show(pair.high, high), error.what, error.remedy or "replace or remove the file")]
        return []

    try:
        for split, pairs in splits.items():
            for side in ("low_res", "high_res") if pairs else ():
                (partial / split / side).mkdir(parents=True)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            problems = [problem for found in pool.map(write, jobs) for problem in found]
        if problems:
            raise_problems(problems, high)
        replace_file(partial, out)
    except OSError as error:
        raise ResourceError(
            f"cannot write: {error.strerror}", str(out), "check the folder and its permissions"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {split: len(pairs) for split, pairs in splits.items() if pairs}


def file_name(pair: Pair) -> str:
    """File name of both images of a pair; class folders become part of the name."""
    return PurePath(pair.name).with_suffix(".png").as_posix().replace("/", "-")


def _choose(high: Path, shares: tuple[float, float, float]) -> dict[str, list[Pair]]:
    splits = find_pairs(high, high_only=True).splits
    if "" in splits:
        splits = split_by_name(splits[""], shares[0], shares[1])
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


def _write_pair(pair: Pair, folder: Path, scale: int, kernel: LowKernel, enlarge: Kernel | None) -> None:
    image = read_image(pair.high)
    planes = image.color if image.alpha is None else torch.cat((image.color, image.alpha))
    height, width = planes.shape[1:]
    if misfit := find_misfit((height, width), kernel, scale):
        raise DataError(misfit, str(pair.high), "remove the file")
    planes = planes[:, : height // scale * scale, : width // scale * scale]
    high = to_uint8(planes).permute(1, 2, 0).contiguous().numpy()  # (C, H, W) -> (H, W, C)
    for side, pixels in (("high_res", high), ("low_res", make_low(high, kernel, scale, enlarge, name=pair.name))):
        write_image(folder / side / file_name(pair), TaggedImage(pixels))
