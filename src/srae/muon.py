"""Muon: momentum whose singular values are made equal, for the kernels of hidden layers; Adam for the rest.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/).  A convolution's
kernel (out, in, k, k) is taken as the matrix (out, in * k * k).  Updates are
scaled to a root mean square of the rate, as Adam's first step has, so that one
rate serves both parts.  On small super-resolution networks it reaches Adam's
error in about half the steps (docs/lab_log.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
# Coefficients of the quintic that pushes singular values to about 1 in five steps; from the source above.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """(m, n) -> the same with all singular values between about 0.7 and 1.2, by Newton-Schulz iteration."""
    x = matrix / (matrix.norm() + 1e-7)
    if transposed := len(x) > x.shape[1]:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.T if transposed else x


class Muon(torch.optim.Optimizer):
    """For a whole network: kernels but the first and the last by Muon, everything else by Adam.

    Args:
        model: its parameters with two or more dimensions, in the order of registration, are the kernels.
        rate: root mean square of an update's entries, and Adam's rate.
        betas: moment decay rates of the Adam part.
        epsilon: of the Adam part.
    """

    def __init__(self, model: nn.Module, rate: float, *, betas: tuple[float, float], epsilon: float) -> None:
        kernels = [p for p in model.parameters() if p.ndim >= 2][1:-1]
        chosen = {id(p) for p in kernels}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        groups = [{"params": kernels, "is_kernel": True}, {"params": rest, "is_kernel": False}]
        super().__init__([g for g in groups if g["params"]], {"lr": rate, "betas": betas, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            update = self._turn if group["is_kernel"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, parameter.grad, self.state[parameter], group)

    def _turn(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        momentum = state.setdefault("momentum", torch.zeros_like(parameter))
        momentum.mul_(_MOMENTUM).add_(gradient)
        matrix = gradient.add(momentum, alpha=_MOMENTUM).flatten(1)  # Nesterov's look ahead; (out, in * k * k)
        # An orthogonal (m, n) matrix has the root mean square 1 / sqrt(max(m, n)).
        scale = math.sqrt(max(matrix.shape))
        parameter.add_(orthogonalise(matrix).view_as(parameter), alpha=-group["lr"] * scale)

    def _adam(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        first = state.setdefault("first", torch.zeros_like(parameter))
        second = state.setdefault("second", torch.zeros_like(parameter))
        step = state.setdefault("step", torch.zeros(()))  # on the CPU: a look at it must not wait for CUDA
        step += 1
        (decay, decay_square), count = group["betas"], step.item()
        first.lerp_(gradient, 1 - decay)
        second.mul_(decay_square).addcmul_(gradient, gradient, value=1 - decay_square)
        deviation = second.div(1 - decay_square**count).sqrt_().add_(group["epsilon"])
        parameter.addcdiv_(first, deviation, value=-group["lr"] / (1 - decay**count))
