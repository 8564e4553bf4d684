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

from srae.training.eager import eager

_MOMENTUM = 0.95
# Coefficients of the quintic that pushes singular values to about 1 in five steps; from the source above.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """(..., m, n) -> the same with all singular values between about 0.7 and 1.2, by Newton-Schulz iteration."""
    x = matrix / (matrix.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if transposed := x.shape[-2] > x.shape[-1]:
        x = x.mT
    for _ in range(steps):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.mT if transposed else x


@eager
class Muon(torch.optim.Optimizer):
    """Optimizer of a network: Muon for all kernels except the first and the last, Adam for everything else.

    Args:
        model: its parameters with two or more dimensions, in the order of registration, are the kernels.
        rate: root mean square of an update's entries, and Adam's rate; a tensor where a CUDA graph records the step.
        betas: moment decay rates of the Adam part.
        epsilon: of the Adam part.
    """

    _step_supports_amp_scaling = (
        True  # torch's own name: `found_inf` may skip a step without a transfer from the device
    )

    def __init__(self, model: nn.Module, rate: float | Tensor, *, betas: tuple[float, float], epsilon: float) -> None:
        kernels = [p for p in model.parameters() if p.ndim >= 2][1:-1]
        chosen = {id(p) for p in kernels}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        groups = [{"params": kernels, "is_kernel": True}, {"params": rest, "is_kernel": False}]
        # torch's own name: a restored counter then goes to the device, where a CUDA graph increments it.
        defaults = {"lr": rate, "betas": betas, "epsilon": epsilon, "capturable": isinstance(rate, Tensor)}
        super().__init__([g for g in groups if g["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            rate = group["lr"] if found_inf is None else group["lr"] * (1 - found_inf)
            gradients = [p.grad for p in parameters if p.grad is not None]
            if found_inf is not None:  # 0 * nan is nan
                gradients = [g.masked_fill(found_inf.bool(), 0) for g in gradients]
            states = [self._state_of(p, group["is_kernel"]) for p in parameters]
            update = _update_kernels if group["is_kernel"] else _update_rest
            update(parameters, gradients, states, rate, group)

    def _state_of(self, parameter: Tensor, is_kernel: bool) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            for name in ("momentum",) if is_kernel else ("first", "second"):
                state[name] = torch.zeros_like(parameter)
            if not is_kernel:
                # On the device only for a CUDA graph: reading it on the CPU does not wait for the device.
                state["step"] = torch.zeros((), device=parameter.device if self.defaults["capturable"] else "cpu")
        return state


States = list[dict[str, Tensor]]


def _update_kernels(
    kernels: list[Tensor], gradients: list[Tensor], states: States, rate: float | Tensor, group: dict[str, Any]
) -> None:
    momenta = [state["momentum"] for state in states]
    torch._foreach_mul_(momenta, _MOMENTUM)
    torch._foreach_add_(momenta, gradients)
    ahead = torch._foreach_add(gradients, momenta, alpha=_MOMENTUM)  # Nesterov momentum
    matrices = [gradient.flatten(1) for gradient in ahead]  # (out, in * k * k)
    for batch in _batches(matrices):
        updates = orthogonalise(torch.stack([matrices[i] for i in batch])) if len(batch) > 1 else None
        for place, i in enumerate(batch):
            update = orthogonalise(matrices[i]) if updates is None else updates[place]
            # An orthogonal (m, n) matrix has the root mean square 1 / sqrt(max(m, n)).
            _add(kernels[i], update.view_as(kernels[i]), rate, -math.sqrt(max(matrices[i].shape)))


def _batches(matrices: list[Tensor]) -> list[list[int]]:
    """Indices of the matrices that are orthogonalised together.

    On CUDA all matrices of one shape, so that sixteen kernels of a small network take as many launches as one.  On a
    CPU each matrix alone: its products fill the cores, and the rounding stays that of earlier versions.
    """
    if not matrices[0].is_cuda:
        return [[i] for i in range(len(matrices))]
    by_shape: dict[torch.Size, list[int]] = {}
    for i, matrix in enumerate(matrices):
        by_shape.setdefault(matrix.shape, []).append(i)
    return list(by_shape.values())


def _update_rest(
    parameters: list[Tensor], gradients: list[Tensor], states: States, rate: float | Tensor, group: dict[str, Any]
) -> None:
    firsts, seconds, steps = ([state[name] for state in states] for name in ("first", "second", "step"))
    torch._foreach_add_(steps, 1)
    decay, decay_square = group["betas"]
    # All counters are equal; a tensor where a CUDA graph records the step.
    count = steps[0] if isinstance(rate, Tensor) else steps[0].item()
    torch._foreach_lerp_(firsts, gradients, 1 - decay)
    torch._foreach_mul_(seconds, decay_square)
    torch._foreach_addcmul_(seconds, gradients, gradients, value=1 - decay_square)
    deviations = torch._foreach_div(seconds, 1 - decay_square**count)
    torch._foreach_sqrt_(deviations)
    torch._foreach_add_(deviations, group["epsilon"])
    amount = rate / (1 - decay**count)
    if isinstance(amount, Tensor):
        torch._foreach_div_(deviations, amount)  # first / (deviation / amount), because `value` cannot be a tensor
        torch._foreach_addcdiv_(parameters, firsts, deviations, value=-1)
    else:
        torch._foreach_addcdiv_(parameters, firsts, deviations, value=-amount)


def _add(parameter: Tensor, update: Tensor, rate: float | Tensor, factor: float) -> None:
    if isinstance(rate, Tensor):
        parameter.addcmul_(update, rate, value=factor)
    else:
        parameter.add_(update, alpha=rate * factor)
