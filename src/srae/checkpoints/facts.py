"""What must be known of a network to run it on any image, whatever runs it.  No torch.

A checkpoint has it by its config and its network; an exported graph carries it as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

ENDLESS = 2**30
ADD_TO_BICUBIC = ("residual",)
"""Networks that add a correction to the enlarged image."""


@dataclass(frozen=True)
class Geometry:
    """What a network states about the sizes it takes, in pixels of its input."""

    scale: int = 1
    multiple_of: int = 1
    receptive_radius: int | None = 0
    """Pixels around a pixel that can change its output; None: all of them."""
    fixed_size: tuple[int, int] | None = None
    """Height and width, where it takes no others."""
    smallest: int = 1
    """Sides that are shorter are padded to this."""

    @property
    def margin(self) -> int:
        """Receptive radius, rounded up to `multiple_of`; beyond any image where the network sees the whole of it."""
        return round_up(ENDLESS if self.receptive_radius is None else self.receptive_radius, self.multiple_of)

    @property
    def sees_all(self) -> bool:
        """Whether every output pixel depends on the whole image."""
        return self.fixed_size is None and self.margin >= ENDLESS


@dataclass(frozen=True)
class NetworkFacts:
    """What the upscaler must know of a network.

    Attributes:
        channels: of its input.
        adds_to_bicubic: its output is the enlarged image and a correction, of which bfloat16 rounds the correction.
        value_range: black and white of the deep images that it was trained on, in units of their files.
        enlarge_kernel: how its training images were enlarged before it, where it keeps the size.
        trained_scale: by how much they were.
    """

    channels: int
    geometry: Geometry
    adds_to_bicubic: bool = False
    value_range: tuple[float, float] | None = None
    enlarge_kernel: Literal["bilinear", "bicubic"] = "bicubic"
    trained_scale: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> NetworkFacts:
        """Raises: KeyError, TypeError, ValueError: not what `to_json` gives."""
        geometry = dict(values["geometry"])
        if size := geometry.get("fixed_size"):
            geometry["fixed_size"] = (int(size[0]), int(size[1]))
        own = dict(values) | {"geometry": Geometry(**geometry)}
        if limits := own.get("value_range"):
            own["value_range"] = (float(limits[0]), float(limits[1]))
        return NetworkFacts(**own)


def round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
