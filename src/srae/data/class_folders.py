"""Labelled images of any size and mode in a folder per class.

The layout is `FOLDER/CLASS/NAME` or `FOLDER/{train,val,test}/CLASS/NAME`; split folders may be
called `valid`, `Training` or `seg_train` too, and classes may have folders inside.
Every image is laid on white and resized (its aspect is not kept) to one
square.  Without splits on disk each class is split 80/10/10 by the names of
its images (or of their groups, `data.group_by`), as pairs are: neither `side`
nor a decoder's rounding moves an image.
No image is in two splits: of images whose decoded pixels are equal one is kept, and of
equal images in two classes none, because their label is unknown.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from srae.config.data_sets import ClassFoldersConfig
from srae.data.contract import Data
from srae.data.groups import Groups, note_groups, note_suspicion, read_groups
from srae.data.labelled import LabelledImages, open_textures, to_data
from srae.data.layouts import SPLITS
from srae.data.matching import FileProblem, name_of
from srae.data.naming import split_in, split_named
from srae.data.scan import in_threads, raise_problems
from srae.data.splits import describe_val_from_train, split_by_class, take_by_name
from srae.data.trees import pick_folders, read_tree, subfolders, unwrap
from srae.errors import DataError
from srae.images.flatten import is_transparent
from srae.images.image import find_images, read_pixels
from srae.images.tensors import to_float, to_uint8

DEFAULT_SIDE = 224


class _ClassFile(NamedTuple):
    split: str
    """Empty when the disk does not say."""
    label: int
    name: str
    path: Path

    @property
    def below_class(self) -> str:
        """The name without its class folder."""
        return self.name.partition("/")[2]


class _ClassImage(NamedTuple):
    found: _ClassFile
    pixels: np.ndarray
    """uint8 (side, side, 3)"""
    digest: str
    """of the decoded pixels, before they are resized"""
    on_white: bool


def open_class_folders(options: ClassFoldersConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    """Read the class folders of `options.folder`; see `open_data`.

    Raises:
        DataError: no such folder, fewer than two classes, or images that cannot be read.
    """
    if options.folder is None:
        raise DataError("no folder given", "data.folder", "name one, or give --data FOLDER")
    folder, side = Path(os.path.expanduser(options.folder)), options.side or DEFAULT_SIDE
    if not os.path.isdir(folder):
        if options.otherwise == "demo":
            return open_textures(options, folder, side)
        remedy = "put the images there, give --data FOLDER, or set data.otherwise: demo"
        raise DataError("data folder is missing", str(folder), remedy)
    files, classes, passed_over = _find(folder)
    images, notes = _without_duplicates(_read_all(files, folder, side))
    if count := sum(image.on_white for image in images):
        notes.append(f"{count} transparent images are laid on white")
    if passed_over:
        notes.insert(0, f"{passed_over} files in {folder.name} passed over: they are no images that srae reads")
    groups = read_groups([image.found.below_class for image in images], None if undivided else options.group_by, folder)
    notes += groups.notes
    parts: dict[str, list[_ClassImage]] = defaultdict(list)
    if any(image.found.split for image in images):
        for image in images:
            parts[image.found.split].append(image)
        if parts.get("train") and not undivided and "val" not in parts and options.val_from_train:
            notes.append(_take_val(parts, options.val_from_train, groups))
    elif undivided:
        parts["val"] = images
    else:
        parts = _split(images, groups)
    for split in () if for_scoring and any(parts.values()) else ("train", "val"):
        if not parts.get(split):
            remedy = "add images, or set data.val_from_train: 0.1" if parts.get("train") else "add images"
            raise DataError(f"no {split} images", str(folder), f"{remedy}, or leave out the split folders")
    names = {split: [image.found.below_class for image in several] for split, several in parts.items()}
    notes += note_groups(names, groups) or ([] if for_scoring else note_suspicion(names, groups))
    named = {split: _stack(parts[split]) for split in SPLITS if parts.get(split)}
    data = to_data(folder.resolve().name, named, classes, options, notes)
    digests = {split: {image.found.name: image.digest for image in several} for split, several in parts.items()}
    return groups.label(replace(data, digests=digests), lambda name: name.partition("/")[2])


def _find(folder: Path) -> tuple[list[_ClassFile], list[str], int]:
    """Every image, the names of the classes, and the number of other files."""
    roots = _find_splits(folder)
    names = sorted({entry.name for root in roots.values() for entry in root.iterdir() if _is_class(entry)})
    if len(names) < 2:
        raise DataError(
            f"{len(names)} class folders", str(folder), "one folder per class: FOLDER/CLASS/NAME, at least two classes"
        )
    files, passed_over = [], 0
    for split, root in roots.items():
        for label, name in enumerate(names):
            if (root / name).is_dir():
                tree = read_tree(root / name)
                passed_over += tree.ignored
                files += [_ClassFile(split, label, f"{name}/{name_of(entry)}", entry.path) for entry in tree.entries]
    return files, names, passed_over


def _find_splits(folder: Path) -> dict[str, Path]:
    """Split -> folder of its classes; split "" when the disk has no splits.

    A folder that holds images directly is a class, whatever its name: ``valid`` beside ``invalid``.
    """
    exact = {split: folder / split for split in SPLITS if (folder / split).is_dir()}
    folder = folder if exact else unwrap(folder)
    holders = [path for path in subfolders(folder) if subfolders(path) and not find_images(path)[0]]
    for meaning in (split_named, split_in):
        found, doubts = pick_folders(holders, meaning, None)
        if doubts:
            raise_problems([doubt._replace(how_to_mend="move one out of the folder") for doubt in doubts], folder)
        if "train" in found or "val" in found:
            break
    roots = found | exact
    return {split: _unwrap_split(roots[split]) for split in SPLITS if split in roots} or {"": folder}


def _unwrap_split(root: Path) -> Path:
    """``seg_train/seg_train/CLASS``: the inner folder, if it is the only one and has classes below."""
    inner = subfolders(root)
    return inner[0] if len(inner) == 1 and len(subfolders(inner[0])) > 1 and not find_images(inner[0])[0] else root


def _is_class(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _read_all(files: Sequence[_ClassFile], folder: Path, side: int) -> list[_ClassImage]:
    def look(found: _ClassFile) -> _ClassImage | FileProblem:
        try:
            decoded = read_pixels(found.path, "RGBA")
            pixels = _on_white(decoded, side)
        except DataError as error:
            where = found.path.relative_to(folder).as_posix()
            return FileProblem(found.split, where, error.what, error.remedy or "replace or remove the file")
        return _ClassImage(found, pixels, _digest(decoded), is_transparent(decoded))

    results = list(in_threads(look, files, "decoding images"))
    if problems := [result for result in results if isinstance(result, FileProblem)]:
        raise_problems(problems, folder)
    return [result for result in results if isinstance(result, _ClassImage)]


def _digest(decoded: np.ndarray) -> str:
    return hashlib.sha256(str(decoded.shape).encode() + decoded.tobytes()).hexdigest()


def _on_white(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (H, W, 4) -> (side, side, 3), bilinear and antialiased."""
    image = to_float(torch.from_numpy(pixels).permute(2, 0, 1))  # (H, W, C) -> (C, H, W)
    color, alpha = image[:3], image[3:]
    laid = (color * alpha + (1 - alpha))[None]
    resized = F.interpolate(laid, (side, side), mode="bilinear", antialias=True)[0]
    return to_uint8(resized).permute(1, 2, 0).contiguous().numpy()


def _without_duplicates(images: Sequence[_ClassImage]) -> tuple[list[_ClassImage], list[str]]:
    """Images without duplicates, in their order, and notes about those left out."""
    equals: dict[str, list[_ClassImage]] = defaultdict(list)
    for image in images:
        equals[image.digest].append(image)
    doubtful = {d for d, same in equals.items() if len({image.found.label for image in same}) > 1}
    kept = [same[0] for digest, same in equals.items() if digest not in doubtful]
    notes = []
    if again := sum(len(same) - 1 for digest, same in equals.items() if digest not in doubtful):
        notes.append(f"{again} images are duplicates of another image of their class: left out")
    if left_out := sum(len(equals[digest]) for digest in doubtful):
        notes.append(f"{left_out} images equal an image of another class: left out, because their class is unknown")
    return kept, notes


def _split(images: Sequence[_ClassImage], groups: Groups) -> dict[str, list[_ClassImage]]:
    """Each class by its shares; one image at least for train, then for val and test where there are enough."""
    labels, names = [image.found.label for image in images], [image.found.name for image in images]
    chosen = split_by_class(labels, names, groups.of(image.found.below_class for image in images))
    return {split: [images[index] for index in indices] for split, indices in chosen.items()}


def _take_val(parts: dict[str, list[_ClassImage]], share: float, groups: Groups) -> str:
    """Move a share of every class from train to val, by names; returns a note for the user."""

    def unit(image: _ClassImage) -> str:
        return groups.of_name.get(image.found.below_class, image.found.name)

    by_class: dict[int, list[_ClassImage]] = defaultdict(list)
    for image in parts["train"]:
        by_class[image.found.label].append(image)
    going: set[str] = set()  # entire groups, also where a group is of several classes
    for members in by_class.values():
        names, own = [image.found.name for image in members], groups.of(image.found.below_class for image in members)
        going |= {unit(image) for image in take_by_name(members, names, share, own)[1]}
    images = parts["train"]
    for split, taken in (("train", False), ("val", True)):
        parts[split] = [image for image in images if (unit(image) in going) == taken]
    return describe_val_from_train(len(parts["val"]), len(images), share)


def _stack(images: Sequence[_ClassImage]) -> LabelledImages:
    """Stack the first image of every class, then the second...: the first N are balanced for any N (`limit`)."""
    ranks: dict[int, int] = defaultdict(int)
    keyed = []
    for image in images:
        keyed.append((ranks[image.found.label], image.found.label, image))
        ranks[image.found.label] += 1
    ordered = [image for _, _, image in sorted(keyed, key=lambda item: item[:2])]
    return LabelledImages(
        np.stack([image.pixels for image in ordered]),
        np.array([image.found.label for image in ordered], np.int64),
        [image.found.name for image in ordered],
    )
