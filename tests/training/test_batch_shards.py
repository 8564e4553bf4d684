"""A batch in parts: every sample once, the gradients of the whole, and the same bits however the parts are dealt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from refusals import refuses
from srae.config.loading import load_config
from srae.data import eval_batches
from srae.distributed.peers import ALONE, Peers, check_size
from srae.errors import ConfigError
from srae.models import check_options
from srae.training.prepare import epoch_batches, prepare
from srae.training.session import Session
from srae.training.shards import Shards, Wishes
from srae.training.step import _backward, compute_gradients
from toy_training import CPU, toy


def gradients_of(s: Session) -> list[Tensor]:
    return [p.grad.clone() for p in s.model.parameters() if p.grad is not None]


@pytest.fixture
def pairs(pair_folder: Callable[..., Path]) -> Path:
    return pair_folder(train=7, size=(20, 20))


def session_of(pairs: Path, *overrides: str) -> Session:
    return prepare(toy(pairs, *overrides), CPU)


@pytest.mark.parametrize("shards", [2, 4, 8])
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_the_gradients_are_those_of_the_batch(pairs: Path, shards: int, loss: str) -> None:
    """Of a network without batch-norm and dropout, for which parts are nothing but parts; also of the last batch."""
    model = "model={name: conv_autoencoder, channels: [3, 4], plain_output: true}"
    s = session_of(pairs, model, f"train.loss={loss}", "train.batch_size=9", f"train.shards={shards}")
    parts = Shards(s, lambda *given: _backward(s, *given))
    sizes = []
    for batch in epoch_batches(s, 0, 0):
        numbers = compute_gradients(s, batch.input, batch.target)
        expected = gradients_of(s)
        loss_of, score = parts.compute(batch, (0,))
        torch.testing.assert_close(gradients_of(s), expected)
        torch.testing.assert_close(torch.stack((loss_of, score)), numbers[:2])
        sizes.append(len(batch.indices))
    assert sizes == [9, 5]


def test_batch_norm_takes_the_mean_of_the_shards(pairs: Path) -> None:
    s = session_of(pairs, "train.batch_size=7", "train.shards=2")
    norm = next(m for m in s.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert norm.running_mean is not None and norm.num_batches_tracked is not None
    batch = next(epoch_batches(s, 0, 0))
    before, expected = norm.running_mean.clone(), torch.zeros_like(norm.running_mean)
    for part in (slice(0, 3), slice(3, 7)):
        norm.running_mean.copy_(before)
        s.model.train()(batch.input[part])
        expected += norm.running_mean * (part.stop - part.start) / 7
    norm.running_mean.copy_(before)
    norm.num_batches_tracked.zero_()
    Shards(s, lambda *given: _backward(s, *given)).compute(batch, (0,))
    torch.testing.assert_close(norm.running_mean, expected)
    assert norm.num_batches_tracked == 1


@given(st.integers(1, 40), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]))
def test_every_sample_is_in_one_shard_of_one_process(samples: int, shards: int, size: int) -> None:
    if size > shards:
        return
    ends = [samples * k // shards for k in range(shards + 1)]
    assert [samples * rank // size for rank in range(size + 1)] == ends[:: shards // size]
    assert all(0 <= after - before <= -(-samples // shards) for before, after in pairwise(ends))


@pytest.mark.parametrize("size", [2, 4, 8])
def test_the_parts_of_a_batch_are_the_batch(pairs: Path, size: int) -> None:
    s = session_of(pairs, "train.batch_size=5", "data.augment=[flip, rotate]")
    whole = list(epoch_batches(s, 1, 0))
    parts: list[list[Tensor]] = [[] for _ in whole]
    for rank in range(size):
        s.peers = Peers(rank, size)
        for kept, batch, entire in zip(parts, epoch_batches(s, 1, 0), whole, strict=True):
            assert batch.indices == entire.indices
            kept += [batch.input] if len(batch.input) else []
    assert all(torch.equal(torch.cat(kept), batch.input) for kept, batch in zip(parts, whole, strict=True))
    dealt = [batch.indices for rank in range(size) for batch in eval_batches(s.data.train, 2, part=(rank, size))]
    assert sorted(dealt) == [batch.indices for batch in eval_batches(s.data.train, 2)]


@pytest.mark.parametrize(
    ("shards", "batch_size", "fits"), [(1, 7, True), (1, 13, False), (4, 14, True), (4, 7, False), (8, 14, False)]
)
def test_a_shard_of_one_sample_is_refused_where_batch_norm_cannot_take_it(
    pair_folder: Callable[..., Path], shards: int, batch_size: int, fits: bool
) -> None:
    """Of 14 samples; a network that ends in 1x1 pixels."""
    pairs = pair_folder(train=7, size=(16, 16))
    model = "{name: conv_autoencoder, channels: [4, 4, 4, 4], batch_norm: true, plain_output: true}"
    changes = (f"model={model}", f"train.shards={shards}", f"train.batch_size={batch_size}")
    if fits:
        session_of(pairs, *changes)
    else:
        with refuses(ConfigError, "train.batch_size"):
            session_of(pairs, *changes)


@pytest.mark.parametrize(
    ("size", "shards", "fits"), [(1, 1, True), (4, 4, True), (2, 8, True), (2, 1, False), (8, 4, False), (3, 8, False)]
)
def test_how_many_processes_fit(size: int, shards: int, fits: bool) -> None:
    if fits:
        check_size(size, shards)
    else:
        with refuses(ConfigError, "train.shards"):
            check_size(size, shards)


@pytest.mark.parametrize("shards", ["0", "3", "512", "[1]"])
def test_shards_are_a_power_of_two(pairs: Path, shards: str) -> None:
    with refuses(ConfigError, "train.shards"):
        toy(pairs, f"train.shards={shards}")


def test_shards_beyond_the_batch_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: {name: residual}\ntrain: {batch_size: 2, shards: 4}\n")
    with refuses(ConfigError, "train.shards"):
        load_config(tmp_path / "a.yaml", check_options=check_options)


@pytest.mark.parametrize("wishes", [Wishes(), Wishes(save=True), Wishes(stop=15), Wishes(True, 2)])
def test_one_wish_is_the_wish_of_all(wishes: Wishes) -> None:
    sums = [a + b for a, b in zip(wishes.counts(), Wishes().counts(), strict=True)]
    assert Wishes.of_all(sums) == wishes


def test_a_training_without_a_launcher_outlives_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that ends behind `nohup srae train &` is no reason to stop, or to save after every step."""
    monkeypatch.setattr("os.getppid", lambda: 1)
    assert ALONE.has_launcher()
