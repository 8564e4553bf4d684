"""Networks run by torch: on any device, from any checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from srae.checkpoints.loading import TrainedModel, load_model
from srae.device import autocast, float32_kernels, has_bfloat16, pick_device, pick_precision
from srae.errors import ConfigError
from srae.upscaling.network import Network, Precision


class TorchEngine:
    """Args: model: maps images to images; moved to the device and set to eval mode."""

    name = "torch"

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self._model, self._device = model.to(device).eval(), device
        self.device, self.has_bfloat16 = str(device), has_bfloat16(device)

    def run(self, batch: np.ndarray, precision: Precision) -> np.ndarray:
        """See `Engine.run`."""
        device = self._device
        dtype = pick_precision(precision, device)
        with torch.inference_mode(), float32_kernels(device), autocast(device, dtype):
            input = torch.from_numpy(np.require(batch, np.float32, ["C", "W"]))
            if device.type == "cuda":
                try:
                    return self._run(input.pin_memory().to(device, non_blocking=True))
                except torch.OutOfMemoryError:
                    torch.cuda.empty_cache()  # the next, smaller piece needs other blocks
                    raise
            return self._run(input.to(device))

    def _run(self, input: torch.Tensor) -> np.ndarray:
        output: torch.Tensor = self._model(input.contiguous(memory_format=torch.channels_last))
        return output.float().cpu().numpy()


def open_checkpoint(path: Path, device: str = "auto") -> Network:
    """A checkpoint of srae, or a run's best weights.

    Raises:
        ConfigError: it does not enlarge images, or no such device.
        CheckpointError: see `load_model`.
        ResourceError: the device is not available.
    """
    return from_trained(load_model(path), device)


def from_trained(trained: TrainedModel, device: str | torch.device = "cpu") -> Network:
    """A network that is loaded already.

    Raises:
        ConfigError: it does not enlarge images.
    """
    check_enlarges(trained)
    device = pick_device(device) if isinstance(device, str) else device
    return Network(trained.path, trained.facts, TorchEngine(trained.model, device))


def check_enlarges(trained: TrainedModel) -> None:
    """Raises: ConfigError: a classifier, or a network for bands that are no colours."""
    where = str(trained.path)
    if trained.config.task == "classification":
        raise ConfigError("this model names images, it does not enlarge them", where, "choose another with --model")
    if isinstance(trained.config.data.channels, int) and trained.in_shape[0] != 3:
        what = f"this model takes {trained.in_shape[0]} bands; srae upscale enlarges grey, colour and transparency"
        raise ConfigError(what, where, "`srae eval` scores it; choose another with --model")
