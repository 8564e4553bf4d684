"""The optimizers of a config are torch's, without what `torch.compile` needs."""

from __future__ import annotations

import sys
from typing import Any, get_args

import pytest
import torch
from torch import nn

from srae.config.experiment import TrainConfig
from srae.training.optimizer import build_optimizer

TORCHS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {}, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}, {"fused": True}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}, {"fused": True}),
    "adadelta": (torch.optim.Adadelta, {"rho": 0.9}, {"eps": 1e-7}),
}


def train(net: nn.Module, optimizer: torch.optim.Optimizer) -> dict[Any, Any]:
    for step in range(3):
        optimizer.zero_grad()
        net(torch.linspace(-1, 1 + step, 8).view(2, 4)).square().sum().backward()
        optimizer.step()
    return optimizer.state_dict()["state"]


def make_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


@pytest.mark.parametrize("name", TORCHS)
def test_an_optimizer_is_torchs_to_the_bit(name: str) -> None:
    kind, options, more = TORCHS[name]
    ours, torchs = make_net(), make_net()
    found = train(ours, build_optimizer(TrainConfig(optimizer=name, learning_rate=0.01, **options), ours))
    expected = train(torchs, kind(torchs.parameters(), lr=0.01, **options, **more))  # type: ignore[call-arg]
    for one, other in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert torch.equal(one, other) and one.grad is not None
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", get_args(TrainConfig.model_fields["optimizer"].annotation))
def test_no_optimizer_imports_what_compiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take longer than all of torch; None is what cannot be imported."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    net = make_net()
    optimizer = build_optimizer(TrainConfig(optimizer=name), net)
    train(net, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
