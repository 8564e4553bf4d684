"""Optimizers whose first call does not import what `torch.compile` needs."""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Optimizer = TypeVar("Optimizer", bound=torch.optim.Optimizer)


def eager(kind: type[Optimizer]) -> type[Optimizer]:
    """The same optimizer without the decorators that keep `torch.compile` out of its methods; srae compiles nothing.

    Their first call imports `torch._dynamo`: 1.8 s of CPU at the start of every training (docs/lab_log.md).
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})
