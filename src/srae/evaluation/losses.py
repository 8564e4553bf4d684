"""Losses: (output, target) -> scalar, the mean over everything.

A loss's keyword-only arguments are its options in the YAML (`train.loss_options`), with their bounds.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F


def mse(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, target)


def l1(output: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(output, target)


def charbonnier(output: Tensor, target: Tensor, *, epsilon: Annotated[float, Field(gt=0, le=1)] = 1e-3) -> Tensor:
    """sqrt(d^2 + epsilon^2): a smooth L1 (Lai et al. 2017, LapSRN).

    Args:
        epsilon: difference between two values in [0, 1] below which the loss is quadratic.
    """
    return torch.sqrt((output - target).square() + epsilon**2).mean()


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood in nats of logits (B, classes) and labels (B,)."""
    return F.cross_entropy(output, target)
