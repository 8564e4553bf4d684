"""Networks on tensors of any size, as scoring runs them: on the device of the batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from srae.checkpoints.facts import round_up
from srae.checkpoints.loading import read_geometry
from srae.device import autocast
from srae.images.color import to_luma
from srae.models.blocks import enlarge_bicubic
from srae.upscaling.backends.torch import TorchEngine
from srae.upscaling.network import Precision
from srae.upscaling.regions import mirrored, of_array
from srae.upscaling.tiles import Box, is_memory_error, run_pieces, turned_mean


def forward_any_size(model: nn.Module, input: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, scale * h, scale * w), also where h and w are no multiples of the model's stride."""
    geometry = read_geometry(model)
    height, width = input.shape[2:]
    for dim, size in ((2, height), (3, width)):
        if (wanted := round_up(max(size, geometry.smallest), geometry.multiple_of)) != size:
            input = input.index_select(dim, torch.from_numpy(mirrored(size, wanted)).to(input.device))
    output: Tensor = model(input)
    return output[:, :, : height * geometry.scale, : width * geometry.scale]


def forward_in_pieces(
    model: nn.Module,
    input: Tensor,
    *,
    tile: int | None = None,
    device: torch.device | str = "cpu",
    precision: Precision = "float32",
) -> Tensor:
    """(C, h, w) -> (C, scale * h, scale * w) on the CPU, as the upscaler does it; see `run_pieces`."""
    geometry, output = read_geometry(model), torch.empty(0)
    engine = TorchEngine(model, torch.device(device))

    def keep(box: Box, piece: np.ndarray) -> None:
        nonlocal output
        top, bottom, left, right = box
        if not output.numel():
            output = torch.empty(len(piece), input.shape[1] * geometry.scale, input.shape[2] * geometry.scale)
        output[:, top:bottom, left:right] = torch.from_numpy(piece)

    image = of_array(input.cpu().numpy())
    run_pieces(lambda batch: engine.run(batch, precision), geometry, image, keep, tile=tile, device=engine.device)
    return output


def forward_split(model: nn.Module, input: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, ...) -> logits (B, classes), or images that are larger; where memory is too small for that, in pieces."""
    with autocast(input.device, dtype):
        if not hasattr(model, "scale"):  # outputs classes
            logits: Tensor = model(input)
            return logits
        fixed = getattr(model, "fixed_size", None)
        if not fixed or tuple(input.shape[2:]) == tuple(fixed):
            try:
                return forward_any_size(model, input)
            except (MemoryError, RuntimeError) as error:
                if not is_memory_error(error):
                    raise
    # Here, outside the handler, the tensors of a failed attempt are free.
    precision: Precision = "bfloat16" if dtype == torch.bfloat16 else "float32"
    pieces = [forward_in_pieces(model, image, device=input.device, precision=precision) for image in input]
    return torch.stack(pieces).to(input.device)


class InColour(nn.Module):
    """A network for grey as one for colour, (B, 3, h, w) -> (B, 3, H, W), as images are enlarged with it.

    Luma goes through the network; colour differences, which have none, are enlarged bicubically.
    """

    scale: int

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        _copy_geometry(model, self)

    def forward(self, input: Tensor) -> Tensor:
        luma = to_luma(input)
        output: Tensor = self.model(luma)
        return output + enlarge_bicubic(input - luma, self.scale)


class SelfEnsemble(nn.Module):
    """A network whose output is the mean over the eight rotations and flips of its input; see `turned_mean`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        _copy_geometry(model, self)

    def forward(self, input: Tensor) -> Tensor:
        def run(batch: np.ndarray) -> np.ndarray:
            output: Tensor = self.model(torch.from_numpy(batch).to(input.device))
            return output.float().cpu().numpy()

        mean = turned_mean(run, input.float().cpu().numpy(), square_only=getattr(self, "fixed_size", None) is not None)
        return torch.from_numpy(mean).to(input.device)


def _copy_geometry(model: nn.Module, to: nn.Module) -> None:
    for name in ("scale", "multiple_of", "receptive_radius", "fixed_size", "smallest"):
        if hasattr(model, name):
            setattr(to, name, getattr(model, name))
