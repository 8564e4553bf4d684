"""The optimizers of a config."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srae.config.experiment import TrainConfig
from srae.errors import ConfigError
from srae.training.eager import eager
from srae.training.muon import Muon


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Adam, AdamW, SGD, Adadelta or Muon.  `fused` updates take one pass over memory, where Adam spends its time.

    On CUDA the learning rate and the counters are tensors, so that a CUDA graph can record the step.
    """
    parameters, decay = list(model.parameters()), config.weight_decay
    on_cuda = parameters[0].is_cuda
    rate = torch.tensor(config.learning_rate, device=parameters[0].device) if on_cuda else config.learning_rate
    if config.optimizer == "sgd":
        return eager(torch.optim.SGD)(parameters, rate, momentum=config.momentum, weight_decay=decay, fused=True)
    if config.optimizer == "adadelta":
        epsilon = config.epsilon or 1e-7
        return eager(torch.optim.Adadelta)(
            parameters, rate, rho=config.rho, eps=epsilon, weight_decay=decay, capturable=on_cuda
        )
    if config.optimizer == "muon":
        if decay:  # better refused than ignored
            raise ConfigError("muon has no weight decay", "train.weight_decay", "leave it out, or use adamw")
        return Muon(model, rate, betas=(config.betas[0], config.betas[1]), epsilon=config.epsilon or 1e-8)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    betas, epsilon = (config.betas[0], config.betas[1]), config.epsilon or 1e-8
    return eager(kind)(parameters, rate, betas=betas, eps=epsilon, weight_decay=decay, fused=True, capturable=on_cuda)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):  # torch's own word
            group["lr"].fill_(rate)  # a recorded step reads this place
        else:
            group["lr"] = rate


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the model's; step counts from 0.

    The decay grows to its value over the first steps, (1 + t) / (10 + t), so that the average forgets the
    random start.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    averaged, current = average.state_dict(), model.state_dict()
    floats = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([averaged[name] for name in floats], [current[name] for name in floats], weight)
    for name in averaged.keys() - set(floats):  # batch-norm's counter
        averaged[name].copy_(current[name])
