"""The `data` section of an experiment: one class per data set, picked by `name`; each key belongs to one data set.

To add a data set: its section here and in `SECTIONS`, its opener in `data.OPENERS`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from srae.config.degrade import Degrade
from srae.config.section import Pattern, Section
from srae.errors import ConfigError, did_you_mean


def _check_channels(value: Any) -> Any:
    """One message; pydantic has one for each branch of a union."""
    names = ("auto", "L", "RGB", "RGBA")
    if value in names or (type(value) is int and 2 <= value <= 16):
        return value
    hint = did_you_mean(str(value), names)
    raise ValueError(f"is {', '.join(names)}, or the number of bands: 2 to 16{'; ' if hint else ''}{hint}")


Channels = Annotated[
    Literal["auto", "L", "RGB", "RGBA"] | Annotated[int, Field(ge=2, le=16)], BeforeValidator(_check_channels)
]
"""Colours, or a number of bands."""


class Rendered(NamedTuple):
    """Rendered images among the samples, and how their low-resolution versions are made."""

    share: float
    degrade: Degrade
    enlarge: Literal["bilinear", "bicubic"] | None


class Sampling(NamedTuple):
    """How an epoch draws its samples from the training images; the arguments of `data.train_batches`."""

    crop: int | None = None
    """Side in pixels of the target."""
    crops_per_picture: int = 1
    augment: Sequence[str] = ()
    rendered: Rendered | None = None


# ------------------------------------------------------------------ keys that several data sets have


class DataConfig(Section):
    """Keys that every data set has, and methods that the program calls on any of them."""

    name: str
    """Name of the data set; it decides which other keys there are."""
    channels: Channels = "RGB"
    """Colour channels fed to the network; a number: so many bands of TIFFs; auto: L, RGB or the number by the files."""
    augment: Annotated[
        list[Literal["flip", "vertical_flip", "rotate", "tilt"]], Field(json_schema_extra={"uniqueItems": True})
    ] = []
    """Random flips, quarter turns (rotate) and rotations by up to 15 degrees (tilt; labelled images) in training."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Use only the first N images of each split."""

    @field_validator("augment")
    @classmethod
    def _once(cls, augment: list[str]) -> list[str]:
        if twice := sorted({kind for kind in augment if augment.count(kind) > 1}):
            raise ValueError(f"{twice[0]} is listed twice; twice has no other effect than once")
        return augment

    @property
    def sampling(self) -> Sampling:
        return Sampling(augment=self.augment)

    @property
    def enlarge_kernel(self) -> Literal["bilinear", "bicubic"]:
        """How an image is enlarged before a network that keeps the size."""
        return "bilinear"

    @property
    def degrade_scale(self) -> int | None:
        """The factor by which images were shrunk to make the low-resolution ones."""
        return None

    @property
    def levels(self) -> int:
        """The largest level of a sample: outputs are scored in as many steps as the images have, 255 of 8 bits."""
        return 255

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Black and white in the units of files of more than 8 bits; None: all images became 8 bits."""
        return None

    def settled_as(self, other: DataConfig) -> DataConfig:
        """With what `other`, the section that a training stored, found where this one leaves it to the data."""
        return self

    def at(self, folder: str) -> DataConfig:
        """The same data set from another folder: `srae train --data`.

        Raises:
            ConfigError: it takes none.
        """
        others = ", ".join(name for name, section in sections_by_name().items() if "folder" in section.model_fields)
        what = f"data set {self.name} takes no folder"
        raise ConfigError(what, f"--data {folder}", f"leave it out, or set data.name to one of {others}")

    def to_score(self, folder: str) -> DataConfig:
        """Images in a folder that a network trained on this data set is scored on: `srae eval --data`.

        Raises:
            ConfigError: the data set takes no folder.
        """
        return self.at(folder).model_copy(update={"limit": None})

    def degraded(self, degrade: Degrade) -> DataConfig:
        """With low-resolution images made in this way: `srae eval --scale`.

        Raises:
            ConfigError: the data set has no low-resolution images.
        """
        raise ConfigError(f"data set {self.name} has no low-resolution images", "--scale", "leave it out")


class FolderConfig(DataConfig):
    """Data sets that are read from a folder of the user."""

    folder: Annotated[str, Field(min_length=1)] | None = None
    """Folder with the images (pairs: or a two-column CSV); relative to the working directory."""
    otherwise: Literal["demo"] | None = None
    """Data to fall back on when the folder is not there."""

    def at(self, folder: str) -> DataConfig:
        return self.model_copy(update={"folder": folder, "otherwise": None})


class SplitFoldersConfig(FolderConfig):
    """Data sets whose folder may have split folders."""

    val_from_train: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the train images (of each class) that becomes val where the disk has splits, but no val; 0: none."""
    group_by: Pattern | None = None
    """Images that no split may part: those of one folder (folder), or those whose path has one text for a pattern.

    The pattern is a regular expression, such as (patient[0-9]+)_; it is searched in the path without suffix.
    """


class ImagesConfig(DataConfig):
    """Data sets of low-resolution images with their high-resolution counterparts."""

    degrade: Degrade | None = None
    """Make the low-resolution images from a folder of high-resolution images."""
    enlarge: Literal["bilinear", "bicubic"] | None = None
    """How low-resolution images were, or else will be, enlarged; networks that keep the size need it: bicubic then."""
    crop: Annotated[int, Field(ge=4, le=65_536)] | None = None
    """Side of random square training crops, in pixels of the high-resolution image; entire images without it."""
    crops_per_picture: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Random crops that an epoch draws from each training image."""
    rendered: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of every batch that is drawn instead: text, interfaces, charts, logos, line art; needs degrade."""

    @model_validator(mode="after")
    def _fit(self) -> ImagesConfig:
        if self.crop and self.degrade and self.crop % self.degrade.scale:
            raise ValueError(f"crop must be a multiple of degrade.scale, {self.degrade.scale}")
        if self.crops_per_picture > 1 and not self.crop:
            raise ValueError("crops_per_picture needs crop")
        if "tilt" in self.augment:
            raise ValueError("augment: tilt resamples the input alone: it is for labelled images")
        if self.rendered and not self.degrade:
            raise ValueError("rendered needs degrade, which makes the low-resolution versions of rendered images too")
        return self

    @property
    def sampling(self) -> Sampling:
        rendered = Rendered(self.rendered, self.degrade, self.enlarge) if self.rendered and self.degrade else None
        return Sampling(self.crop, self.crops_per_picture, self.augment, rendered)

    @property
    def enlarge_kernel(self) -> Literal["bilinear", "bicubic"]:
        return self.enlarge or "bilinear"

    @property
    def degrade_scale(self) -> int | None:
        return self.degrade.scale if self.degrade else None

    def to_score(self, folder: str) -> DataConfig:
        """A folder of pairs, wherever the images of the training came from."""
        return PairsConfig(channels=self.channels, enlarge=self.enlarge).at(folder)

    def degraded(self, degrade: Degrade) -> DataConfig:
        return self.model_copy(update={"degrade": degrade})


class LabelledConfig(FolderConfig):
    """Data sets of images with a class."""

    channels: Literal["L", "RGB"] = "RGB"
    """Colour channels fed to the network; labelled images have no alpha."""
    target: Literal["label", "input"] = "label"
    """What the network predicts: the class, or (autoencoders) the image itself."""
    per_class: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Training samples of every class in an epoch: images of small classes are repeated."""

    @model_validator(mode="after")
    def _tilt_a_label_alone(self) -> LabelledConfig:
        if "tilt" in self.augment and self.target == "input":
            raise ValueError("augment: tilt resamples the input alone: it is for labels as target")
        return self


# ------------------------------------------------------------------ the data sets


class PairsConfig(ImagesConfig, SplitFoldersConfig):
    name: Literal["pairs"] = "pairs"
    """Pairs of a low- and a high-resolution image on disk, or high-resolution images to be shrunk."""
    bits: Literal["auto", 8, 16] = "auto"
    """Bits in which a sample is kept; auto: 16 where any file has more than 8."""
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    """Values of black and white in files of more than 8 bits, as [0, 4095]; without it: found in the images."""
    low: Annotated[str, Field(min_length=1)] | None = None
    """With `high`, and without `folder`: the folder of low-resolution images."""
    high: Annotated[str, Field(min_length=1)] | None = None
    """The folder of their counterparts."""
    scale: Annotated[int, Field(ge=1, le=8)] | None = None
    """The scale whose low-resolution images are read where there are several: folders X2, X3, X4."""
    own_target: bool | None = None
    """Images without counterparts are their own targets, for autoencoders; without it: for task reconstruction."""
    test_from_val: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the val split that a fixed permutation sets aside as test."""

    @model_validator(mode="after")
    def _one_place(self) -> PairsConfig:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high come together")
        if self.range and (self.bits == 8 or self.range[0] >= self.range[1]):
            raise ValueError(
                "range has no effect beside bits: 8" if self.bits == 8 else "range is [black, white], black the smaller"
            )
        if isinstance(self.channels, int) and self.degrade and self.degrade.kernel == "photo":
            raise ValueError("kernel photo saves as JPEG, which has no bands: choose another kernel")
        if self.low and self.folder:
            raise ValueError("low and high have no effect beside folder: name one or the other")
        if self.scale and self.degrade:
            raise ValueError("scale has no effect beside degrade, which has its own: degrade.scale")
        if self.own_target and self.degrade:
            raise ValueError("own_target has no effect beside degrade: the original is the target")
        if self.low and self.degrade:
            raise ValueError("low has no effect beside degrade: name the high-resolution images as folder")
        if self.otherwise and not (self.folder or self.low):
            raise ValueError("otherwise has no effect without folder, or low and high")
        return self

    @property
    def levels(self) -> int:
        low, high = self.value_range or (0, super().levels)
        depth = int(high).bit_length() if low == 0 else 0
        return 2**depth - 1 if 8 <= depth <= 16 and high == 2**depth - 1 else 65_535

    @property
    def value_range(self) -> tuple[float, float] | None:
        if self.bits != 16:
            return None
        low, high = self.range or (0, 65_535)
        return low, high

    def settled_as(self, other: DataConfig) -> DataConfig:
        left = {"channels": "auto", "bits": "auto", "range": None, "enlarge": None}
        open_keys = [key for key, value in left.items() if getattr(self, key) == value and hasattr(other, key)]
        return self.model_copy(update={key: getattr(other, key) for key in open_keys})

    def at(self, folder: str) -> DataConfig:
        return super().at(folder).model_copy(update={"low": None, "high": None})

    def to_score(self, folder: str) -> DataConfig:
        # What was trained in 8 bits is scored in all bits of these images, what was trained deeper in its own range.
        kept = {"scale": self.scale, "own_target": self.own_target, "range": self.range}
        return super().to_score(folder).model_copy(update=kept | {"bits": 16 if self.bits == 16 else "auto"})

    def degraded(self, degrade: Degrade) -> DataConfig:
        return super().degraded(degrade).model_copy(update={"scale": None, "own_target": None})


class DemoConfig(ImagesConfig):
    name: Literal["demo"] = "demo"
    """Crops of photographs that scikit-image ships, in train, val and test; no folder is needed."""
    channels: Literal["L", "RGB", "RGBA"] = "RGB"
    """Colour channels fed to the network."""


class ClassFoldersConfig(LabelledConfig, SplitFoldersConfig):
    name: Literal["class_folders"] = "class_folders"
    """Images of any size in a folder per class."""
    side: Annotated[int, Field(ge=4, le=8192)] | None = None
    """Every image is resized to this many pixels a side; 224 without it."""

    @model_validator(mode="after")
    def _has_a_folder(self) -> ClassFoldersConfig:
        if self.otherwise and not self.folder:
            raise ValueError("otherwise has no effect without folder")
        return self


class TorchvisionConfig(LabelledConfig):
    name: Literal["mnist", "fashion_mnist", "cifar10"]
    """Small labelled images that come as train and test; without `folder` they are looked for in data/NAME."""
    val_count: Annotated[int, Field(ge=0, le=10_000_000)] = 5000
    """Training images set aside as val; 0: the test images are val."""


SECTIONS: list[type[DataConfig]] = [PairsConfig, DemoConfig, ClassFoldersConfig, TorchvisionConfig]
DEFAULT = "pairs"


def names_of(section: type[DataConfig]) -> tuple[str, ...]:
    """The data sets that a section is of: what its `name` may be, which is a Literal."""
    return get_args(section.model_fields["name"].annotation)


def sections_by_name() -> dict[str, type[DataConfig]]:
    """In the order of `SECTIONS`."""
    return {name: section for section in SECTIONS for name in names_of(section)}


def find_section(values: Mapping[str, Any]) -> type[DataConfig] | None:
    """The section that a mapping of keys names; None where no data set has that name."""
    name = values.get("name", DEFAULT)
    return sections_by_name().get(name) if isinstance(name, str) else None


def who_knows(key: str) -> list[str]:
    """The data sets that have a key."""
    return [name for name, section in sections_by_name().items() if key in section.model_fields]


def without_foreign_keys(values: Mapping[str, Any], spare: Collection[str] = ()) -> dict[str, Any]:
    """Drop keys that only other data sets have; keys in `spare` stay."""
    own = section.model_fields if (section := find_section(values)) else values
    return {key: value for key, value in values.items() if key in own or key in spare or not who_knows(key)}
