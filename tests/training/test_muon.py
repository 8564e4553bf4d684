"""Muon: what its updates are, and which weights get them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from refusals import refuses
from srae.config.experiment import TrainConfig
from srae.errors import ConfigError
from srae.training.muon import Muon, orthogonalise
from srae.training.optimizer import build_optimizer


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 12, 3))


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16), (1, 9)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert 0.6 < float(values.min()) and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(orthogonalise(matrix).flatten(), (u @ v).flatten(), 0) > 0.95


def test_hidden_kernels_turn_and_the_rest_follows_adam() -> None:
    model, twin = make_net(), make_net()
    optimizer = build_optimizer(TrainConfig(optimizer="muon", learning_rate=0.01), model)
    adam = torch.optim.Adam(twin.parameters(), 0.01)
    assert isinstance(optimizer, Muon)
    for step in range(3):
        for net, update in ((model, optimizer), (twin, adam)):
            update.zero_grad()
            torch.manual_seed(step)
            net(torch.rand(2, 3, 12, 12)).square().sum().backward()
            if step == 0:
                before = {name: p.detach().clone() for name, p in net.named_parameters()}
            update.step()
        if step == 0:
            moved = {name: p.detach() - before[name] for name, p in model.named_parameters()}
            for name, other in twin.named_parameters():
                if name != "1.weight":
                    assert torch.allclose(before[name] + moved[name], other, atol=1e-6), name
            values = torch.linalg.svdvals(moved["1.weight"].flatten(1))
            assert float(values.max() / values.min()) < 2  # every direction moves about as far
            assert float(moved["1.weight"].square().mean().sqrt()) == pytest.approx(0.01, rel=0.3)


def test_a_step_reads_nothing_back_from_the_device() -> None:
    """On CUDA each look at a number waits for everything before it; tensors of the device meta have no numbers."""
    model = make_net().to("meta")
    optimizer = Muon(model, 0.01, betas=(0.9, 0.999), epsilon=1e-8)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.rand(2, 3, 12, 12, device="meta")).sum().backward()
        optimizer.step()
    assert {float(state["step"]) for state in optimizer.state.values() if "step" in state} == {2.0}


def test_weight_decay_is_refused_not_ignored() -> None:
    with refuses(ConfigError, "train.weight_decay"):
        build_optimizer(TrainConfig(optimizer="muon", weight_decay=0.1), make_net())


def test_it_descends() -> None:
    model = make_net()
    optimizer = Muon(model, 0.01, betas=(0.9, 0.999), epsilon=1e-8)
    input = torch.rand(4, 3, 12, 12)
    target, losses = input[:, :1, 3:-3, 3:-3].expand(-1, 12, -1, -1), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (model(input) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
