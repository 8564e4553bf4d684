"""The gradients of a batch in parts that any number of processes can share, without a difference in the result.

A batch of n samples is cut into `train.shards` = S parts: shard k holds the samples from n k // S to n (k + 1) // S,
with its own draws for dropout.  What the shards compute is added along a balanced binary tree over k, inside a process
first and then between processes (`Peers.add`): the same additions for 1, 2, ... or S processes.  Batch-norm takes the
statistics of a shard, and its running ones are their mean over the shards, weighted by samples.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from srae.data import Batch
from srae.device import seed_all
from srae.errors import PeerError
from srae.training.session import Session

_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", 1))  # in one order on every system


class Wishes(NamedTuple):
    """What a process wants after the current step; with one wish among them, all do it."""

    save: bool = False
    stop: int = 0
    """A signal, or 0."""

    def counts(self) -> list[float]:
        """As numbers that can be added up over processes."""
        return [float(self.save), *(float(self.stop == number) for number in _SIGNALS)]

    @classmethod
    def of_all(cls, sums: Sequence[float]) -> Wishes:
        """From the sums of `counts`."""
        return cls(sums[0] > 0, next((int(n) for n, count in zip(_SIGNALS, sums[1:], strict=True) if count), 0))


class Shards:
    """The shards of the batches that this process computes: one flat vector a step is all that it exchanges.

    Args:
        backward: (input, target, share of the batch) -> loss and score of a shard; leaves gradients in the model.
    """

    def __init__(self, s: Session, backward: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]) -> None:
        self._s, self._backward = s, backward
        self._parameters = [p for p in s.model.parameters() if p.requires_grad]
        norms = [m for m in s.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        self._statistics = [t for m in norms for t in (m.running_mean, m.running_var) if t is not None]
        self._counters = [m.num_batches_tracked for m in norms if m.num_batches_tracked is not None]
        self._seen: list[Tensor] = []
        """Statistics and counters from before the step, with which every shard begins."""
        self._sizes = [t.numel() for t in (*self._parameters, *self._statistics)]
        self.ask: Callable[[], Wishes] = Wishes
        """Asked once a step, just before the exchange."""
        self.agreed = Wishes()
        """What all processes asked for with the last step."""

    def compute(self, batch: Batch, draws: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Leave the gradients of the entire batch in the model; returns its loss and score.

        Args:
            draws: seeds the draws of dropout, together with the number of the shard.

        Raises:
            PeerError: another process has ended; the model is as before the step.
        """
        peers = self._s.peers
        each = self._s.config.train.shards // peers.size
        self._seen = [t.clone() for t in (*self._statistics, *self._counters)]
        sums = self._add(batch, draws, (peers.rank * each, (peers.rank + 1) * each))
        sums[-4:] = torch.tensor(self.ask().counts())
        try:
            sums = peers.add(sums)
        except PeerError:
            self._rewind()
            raise
        self._spread(sums)
        self.agreed = Wishes.of_all(sums[-4:].tolist())
        return sums[-6], sums[-5]

    def _add(self, batch: Batch, draws: Sequence[int], shards: tuple[int, int]) -> Tensor:
        """The sum over the shards (first, after the last) of: gradients, statistics, loss, score, places of wishes."""
        first, after = shards
        if after - first == 1:
            return self._compute_one(batch, draws, first)
        middle = (first + after) // 2
        sums = self._add(batch, draws, (first, middle))
        sums += self._add(batch, draws, (middle, after))
        return sums

    def _compute_one(self, batch: Batch, draws: Sequence[int], shard: int) -> Tensor:
        s, samples = self._s, len(batch.indices)
        begin, end = (samples * k // s.config.train.shards for k in (shard, shard + 1))
        if begin == end:  # a last batch of fewer samples than shards
            return torch.zeros(sum(self._sizes) + 6, device=s.device)
        mine = samples * s.peers.rank // s.peers.size  # the first sample that this process holds
        place = slice(begin - mine, end - mine)
        self._rewind()
        seed_all(*draws, shard)
        share = (end - begin) / samples
        loss, score = self._backward(batch.input[place], batch.target[place], share)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        parts = [t.detach().reshape(-1) for t in gradients]
        parts += [t.reshape(-1) * share for t in self._statistics]
        numbers = torch.stack((loss * share, score * share)).to(parts[0])
        return torch.cat((*parts, numbers, numbers.new_zeros(4)))

    def _rewind(self) -> None:
        for tensor, before in zip((*self._statistics, *self._counters), self._seen, strict=True):
            tensor.copy_(before)

    def _spread(self, sums: Tensor) -> None:
        """Put gradients and statistics where a step without shards leaves them."""
        parts = sums[:-6].split(self._sizes)
        for parameter, part in zip(self._parameters, parts, strict=False):
            if parameter.grad is None:  # a rank without samples in this batch
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(part.view_as(parameter))  # in the memory format that the optimizer expects
        for tensor, part in zip(self._statistics, parts[len(self._parameters) :], strict=True):
            tensor.copy_(part.view_as(tensor))
        for counter, before in zip(self._counters, self._seen[len(self._statistics) :], strict=True):
            counter.copy_(before + 1)
