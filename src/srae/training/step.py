"""One step of a training: gradients, the check that they are finite, the update.

On CUDA the time of a small network is the launching of hundreds of kernels of a few microseconds each.  There the
step (forward, backward, clipping, optimizer) is recorded once as a CUDA graph and replayed (docs/lab_log.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from srae.data import Batch
from srae.device import autocast, seed_all
from srae.training.session import Session
from srae.training.shards import Shards


def _backward(s: Session, input: Tensor, target: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Forward and backward: leaves `share` times the gradients in the model; returns the loss and `train_metric`."""
    assert s.optimizer is not None
    train = s.config.train
    s.optimizer.zero_grad(set_to_none=True)
    with autocast(s.device, s.dtype):
        output = s.model(input)
    output = output.float()
    loss = s.loss(output, target)
    factor = train.loss_weight * share
    weighted = loss if factor == 1 else loss * factor
    (weighted if s.scaler is None else s.scaler.scale(weighted)).backward()
    with torch.no_grad():
        score = loss.detach()
        if train.loss != s.task.train_metric:  # the same name means the same function
            score = s.task.metrics[s.task.train_metric](output, target).mean()
    return loss.detach(), score


def compute_gradients(s: Session, input: Tensor, target: Tensor) -> Tensor:
    """Forward and backward of an entire batch; leaves (clipped) gradients in the model, returns as `_clip` does."""
    return _clip(s, *_backward(s, input, target))


@torch.no_grad()
def _clip(s: Session, loss: Tensor, score: Tensor) -> Tensor:
    """Clip the gradients in the model.

    Returns:
        float32 (3,), on the session's device: loss, score, norm of the gradients before clipping.
    """
    assert s.optimizer is not None
    if s.scaler is not None:
        s.scaler.unscale_(s.optimizer)
    parameters = [p for p in s.model.parameters() if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if largest := s.config.train.clip_gradient:
        nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return torch.stack((loss, score, norm.to(loss)))


def is_finite(numbers: list[float], *, scaled: bool) -> bool:
    """Whether (loss, score, norm) are those of a step that may be taken.

    Args:
        scaled: gradients of float16 may overflow now and then: the scaler leaves such a step out by itself.
    """
    loss, _, norm = numbers
    return math.isfinite(loss) and (scaled or math.isfinite(norm))


class TrainingStep:
    """Runs training steps.  After a step that is not finite the weights keep their values from before it.

    On the CPU the numbers of a step are checked before its update.  On CUDA that check would stall the queue of kernels
    at every step, so a flag on the device holds the updates back, and the caller checks the numbers later.
    """

    def __init__(self, session: Session) -> None:
        self._s = session
        self._halted = torch.zeros((), device=session.device)
        """1 after the first step that was not finite."""
        self._graph: torch.cuda.CUDAGraph | None = None
        self._input = self._target = self._numbers = torch.empty(0)
        self.why_not_recorded = ""
        """Torch's message when the step could not be recorded; every step is then launched kernel by kernel."""
        self.shards: Shards | None = None
        """None where a batch is computed as a whole."""
        if session.config.train.shards > 1:
            self.shards = Shards(session, partial(_backward, session))

    def __call__(self, batch: Batch, draws: Sequence[int]) -> Tensor:
        """One update.

        Args:
            draws: seeds the draws of dropout.

        Returns:
            The numbers of `_clip`.

        Raises:
            PeerError: another process of this training has ended; nothing was updated.
        """
        if self.shards is not None:
            return self._update(_clip(self._s, *self.shards.compute(batch, draws)))
        seed_all(*draws)
        if not self._can_replay(batch):
            return self._take(batch.input, batch.target)
        if self._graph is None:
            self._record(batch)
        if self._graph is None:
            return self._take(batch.input, batch.target)
        self._input.copy_(batch.input)
        self._target.copy_(batch.target)
        self._graph.replay()
        return self._numbers

    def _can_replay(self, batch: Batch) -> bool:
        """False for a smaller last batch (other kernels) and for the first step (it makes the optimizer state)."""
        s = self._s
        assert s.optimizer is not None
        full = len(batch.indices) == s.config.train.batch_size
        return s.device.type == "cuda" and s.scaler is None and full and bool(s.optimizer.state)

    def _record(self, batch: Batch) -> None:
        """Recording computes nothing, so a resumed run that records again replays the same kernels."""
        if self.why_not_recorded:
            return
        self._input, self._target = batch.input.clone(), batch.target.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._numbers = self._take(self._input, self._target)
        except RuntimeError as error:
            self.why_not_recorded = str(error).splitlines()[0]
        else:
            self._graph = graph

    def _take(self, input: Tensor, target: Tensor) -> Tensor:
        return self._update(compute_gradients(self._s, input, target))

    def _update(self, numbers: Tensor) -> Tensor:
        s = self._s
        assert s.optimizer is not None
        if s.scaler is not None:
            s.scaler.step(s.optimizer)
            s.scaler.update()
        elif s.device.type != "cuda":  # the fused optimizers of MPS do not support `found_inf`
            if is_finite(numbers.tolist(), scaled=False):
                s.optimizer.step()
        else:
            self._hold_back(numbers)
            s.optimizer.step()
        return numbers

    def _hold_back(self, numbers: Tensor) -> None:
        """Make the optimizer skip its step, without leaving the device, when any number so far was not finite.

        The fused optimizers and Muon skip their step when `found_inf` is 1, as for a gradient scaler; Adadelta has no
        such flag, but does not move without a gradient.
        """
        s = self._s
        self._halted.copy_(torch.maximum(self._halted, 1 - torch.isfinite(numbers[0] + numbers[2]).float()))
        optimizer = s.optimizer
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.found_inf = self._halted  # type: ignore[union-attr]
            return
        for parameter in s.model.parameters():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(self._halted.bool(), 0)
