"""`Data`, which every data set returns when it is opened with its section of the config (`config.data_sets`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch

from srae.config.data_sets import DataConfig
from srae.data.store import Split, Store
from srae.device import free_memory
from srae.errors import DataError


@dataclass(frozen=True)
class Data:
    """An opened data set."""

    name: str
    train: Split
    val: Split
    test: Split | None
    in_shape: tuple[int, int, int]
    """(C, h, w) of one training sample, which is a crop if the config has `crop`."""
    out_shape: tuple[int, ...]
    """(C, H, W) of its target, or (classes,)."""
    fingerprint: str
    """16 hex digits over splits, names, contents and degradation; equal data, equal fingerprint."""
    classes: list[str] = field(default_factory=list)
    """Names of the classes, by label; empty for images."""
    notes: list[str] = field(default_factory=list)
    """Lines that the user should read before training."""
    section: DataConfig | None = None
    """The section with what was found where it says `auto`; None: it leaves nothing open."""
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Split -> name -> SHA-256 of a target, where images are files of the user: the same in any data set of them."""

    grey_files: bool = False
    """All images are stored as grey, whatever they are read as."""

    @property
    def device_bytes(self) -> int:
        """Bytes of the images that lie in the memory of an accelerator; 0 where only batches go there."""
        return sum(store.nbytes for store in self._stores() if store.device.type != "cpu")

    def _stores(self) -> list[Store]:
        splits = [split for split in (self.train, self.val, self.test) if split]
        sides = {id(s): s for split in splits for s in (*split.inputs, split.target) if isinstance(s, Store)}
        return list(sides.values())

    @property
    def train_digests(self) -> list[str]:
        """Of the images that are trained on; empty where `digests` is."""
        known = self.digests.get("train", {})
        return [known[name] for name in self.train.names if name in known]

    def to(self, device: torch.device | str) -> Data:
        """Move the images to a device; if they need more than half of its free memory, only batches go there."""
        device = torch.device(device)
        need, free = sum(store.nbytes for store in self._stores()), None
        if device.type != "cpu":
            free = free_memory(device)
        if free is None or need <= free / 2:
            test = self.test.to(device) if self.test else None
            return replace(self, train=self.train.to(device), val=self.val.to(device), test=test)
        train, val = (replace(split, batches_go_to=device) for split in (self.train, self.val))
        test = replace(self.test, batches_go_to=device) if self.test else None
        note = f"{need / 1e9:.1f} GB of images stay in memory: {free / 1e9:.1f} GB are free on {device.type}"
        return replace(self, train=train, val=val, test=test, notes=[*self.notes, note])


def take_fingerprint(contents: Iterable[tuple[str, str, str]], settings: str) -> str:
    """16 hex digits from (split, name, digests of low and high) of every pair, and from how low images were made."""
    digest = hashlib.sha256(settings.encode())
    for row in contents:
        digest.update("\0".join(("", *row)).encode())
    return digest.hexdigest()[:16]


def sample_shapes(
    train: Split, crop: int | None, *, may_differ: bool = False
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """(C, h, w) and (C, H, W) of one training sample.

    Args:
        may_differ: mixed sizes without a crop are no error; the size of the first image is returned.

    Raises:
        DataError: sizes are mixed and there is no crop; the crop is no multiple
            of the scale, or larger than an image.
    """
    assert isinstance(train.target, Store)
    low, high = train.input.image(0).shape, train.target.image(0).shape
    scale = high[1] // low[1]
    shortest = min(min(train.target.size(index)) for index in range(len(train)))
    largest_crop = shortest // scale * scale
    if crop is None:
        if not may_differ and (train.input.shape is None or train.target.shape is None):
            sizes = {train.target.size(index): train.names[index] for index in reversed(range(len(train)))}
            examples = ", ".join(f"{name} {w}x{h}" for (h, w), name in list(sizes.items())[-1:-4:-1])
            raise DataError(
                f"train images have {len(sizes)} different sizes ({examples})",
                "data.crop",
                f"set data.crop, at most {largest_crop} for these images",
            )
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])
    if crop % scale:
        raise DataError(
            f"crop {crop} is not a multiple of the scale of these pairs, {scale}",
            "data.crop",
            f"for example {max(crop // scale, 1) * scale}",
        )
    if crop > largest_crop:
        small = [train.names[index] for index in range(len(train)) if min(train.target.size(index)) < crop]
        raise DataError(
            f"crop {crop} is larger than {len(small)} of {len(train)} train images ({', '.join(small[:3])})",
            "data.crop",
            f"at most {largest_crop}, or remove the small images",
        )
    return (low[0], crop // scale, crop // scale), (high[0], crop, crop)
