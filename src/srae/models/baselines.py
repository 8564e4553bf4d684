"""Baselines: models without parameters."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from srae.models.blocks import check_multiple, enlarge_bicubic, image_scale
from srae.models.options import Side


class Identity(nn.Module):
    """The identity baseline: (B, C, H, W) -> the same tensor; for inputs and targets of one size."""

    scale = multiple_of = 1
    receptive_radius = 0
    fixed_size = None

    def __init__(self, *, in_shape: tuple[int, int, int], out_shape: tuple[int, int, int]) -> None:
        super().__init__()
        if in_shape != out_shape:
            raise ValueError(f"input {in_shape} and target {out_shape} differ; use the model bicubic")

    def forward(self, input: Tensor) -> Tensor:
        return input


class Bicubic(nn.Module):
    """(B, C, h, w) -> (B, C, H, W) by bicubic interpolation (Keys 1981, a = -0.5).

    Args:
        in_shape: (C, h, w) of a sample.
        out_shape: (C, H, W), an integer multiple of it.
        shrink: first shrink by this factor, then enlarge by `scale * shrink`: replaces an
            enlargement by a poorer kernel in the input.
    """

    fixed_size = None

    def __init__(self, *, in_shape: tuple[int, int, int], out_shape: tuple[int, int, int], shrink: Side = 1) -> None:
        super().__init__()
        self.scale = image_scale(in_shape, out_shape)
        if self.scale == shrink == 1:
            raise ValueError("input and target have one size: bicubic needs `shrink`, or use the model identity")
        check_multiple(in_shape, shrink, "shrink")
        self.shrink = self.multiple_of = shrink
        self.receptive_radius = 4 * shrink

    def forward(self, input: Tensor) -> Tensor:
        if self.shrink > 1:
            input = F.avg_pool2d(input, self.shrink)  # what was enlarged needs no antialiasing
        return enlarge_bicubic(input, self.scale * self.shrink)


def baseline_name(scale: int) -> str:
    """Name of the identity baseline of networks that enlarge by `scale`, as run folders store it (a contract)."""
    return "returning the input" if scale == 1 else "bicubic interpolation"
