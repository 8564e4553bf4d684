"""What holds on every device: exact resume, recorded steps, what is not finite, memory that runs out.

Each test runs on the CPU, and on CUDA where there is one (fixture `device`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import srae.training.step
from builders import random_pixels
from conftest import clean_environment
from srae.checkpoints.format import read_checkpoint
from srae.cli import main
from srae.config.experiment import Config
from srae.config.loading import parse_config
from srae.device import float32_kernels
from srae.errors import DivergedError, Interrupted
from srae.evaluation.evaluate import evaluate
from srae.evaluation.forward import forward_any_size, forward_in_pieces
from srae.evaluation.metrics import Protocol
from srae.evaluation.tasks import TASKS
from srae.runs.writer import claim_run
from srae.training.prepare import epoch_batches, prepare
from srae.training.run import train
from srae.training.session import Session
from srae.training.step import TrainingStep, compute_gradients
from srae.upscaling import tiles
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from toys import as_network, random_planes, toy

AUTOENCODER = "{name: conv_autoencoder, channels: [4, 6], batch_norm: true, dropout: 0.2, plain_output: true}"
RESIDUAL = "{name: residual, width: 8, blocks: 3, shrink: 1}"
PLANS = {
    "adam": (AUTOENCODER, "optimizer: adam, weight_average: 0.9, clip_gradient: 0.5"),
    "muon": (RESIDUAL, "optimizer: muon, weight_average: 0.9, loss: l1"),
    "shards": (AUTOENCODER, "optimizer: muon, weight_average: 0.9, clip_gradient: 0.5, shards: 2"),
    "sgd": (AUTOENCODER, "optimizer: sgd, momentum: 0.9"),
    "adadelta": (RESIDUAL, "optimizer: adadelta"),
    "bfloat16": (RESIDUAL, "optimizer: muon, precision: bfloat16, loss: l1"),
    "float16": (RESIDUAL, "optimizer: adam, precision: float16"),
    "tf32": (AUTOENCODER, "optimizer: adam, precision: tf32"),
}


def plan_text(folder: Path, plan: str, epochs: int) -> str:
    """Shuffling, crops, flips, turns, a schedule, and a smaller last batch: 14 samples in batches of 4."""
    model, how = PLANS[plan]
    return f"""
model: {model}
data: {{folder: {json.dumps(str(folder))}, crop: 16, crops_per_picture: 2, augment: [flip, rotate]}}
train: {{epochs: {epochs}, batch_size: 4, learning_rate: 0.01, schedule: cosine, warmup_epochs: 0.5, {how}}}
seed: 3
"""


def read_plan(folder: Path, plan: str, device: torch.device, epochs: int = 3) -> Config:
    if plan in ("float16", "tf32") and device.type != "cuda":
        pytest.skip(f"{plan} is for GPUs: the CPU has no such arithmetic")
    return parse_config(plan_text(folder, plan, epochs), "toy")


@pytest.fixture
def pairs(pair_folder: Callable[..., Path]) -> Path:
    return pair_folder(train=7, val=3, size=(20, 24))


def tensors_of(run: Path, name: str) -> dict[str, bytes]:
    tensors, _ = read_checkpoint(run / "checkpoints" / f"{name}.safetensors")
    return {key: tensor.numpy().tobytes() for key, tensor in tensors.items()}


def figures_of(run: Path) -> list[list[str]]:
    """metrics.csv without the columns of clocks and memory."""
    return [line.split(",")[:8] for line in (run / "metrics.csv").read_text().splitlines()]


@pytest.mark.parametrize("plan", ["muon"])  # of the other ways to train: tests/faults/test_killing.py
def test_a_killed_run_resumes_to_the_same_bits(pairs: Path, tmp_path: Path, device: torch.device, plan: str) -> None:
    """The real command, killed without warning as soon as it has a checkpoint, however often that happens."""
    read_plan(pairs, plan, device)
    (tmp_path / "toy.yaml").write_text(plan_text(pairs, plan, 12))
    train = ["train", "--device", str(device)]
    start = [*train, "--config", str(tmp_path / "toy.yaml"), "--runs-dir"]
    assert main([*start, str(tmp_path / "whole")]) == 0
    victim = subprocess.Popen(
        [sys.executable, "-m", "srae", *start, str(tmp_path / "killed")],
        env=clean_environment(),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    killed, last = tmp_path / "killed" / "toy", tmp_path / "killed" / "toy" / "checkpoints" / "last.safetensors"
    while victim.poll() is None and not last.exists():
        time.sleep(0.005)
    victim.kill()
    victim.wait()
    assert main([*train, "--resume", str(killed)]) == 0
    for name in ("last", "best"):
        assert tensors_of(killed, name) == tensors_of(tmp_path / "whole" / "toy", name), name
    assert figures_of(killed) == figures_of(tmp_path / "whole" / "toy")


@pytest.mark.parametrize("plan", PLANS)
def test_a_step_after_a_stop_is_the_step_without_one(
    pairs: Path, tmp_path: Path, device: torch.device, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM after each step in turn, within this process: what was recorded before is not there any more."""
    config, bits = read_plan(pairs, plan, device, epochs=2), []
    for stop_after in (None, 1, 2, 5):
        runs, taken = tmp_path / str(stop_after), 0
        real = TrainingStep.__call__

        def call(self: TrainingStep, *step: Any, real: Any = real, stop: int | None = stop_after) -> Any:
            nonlocal taken
            taken += 1
            if taken == stop:
                os.kill(os.getpid(), signal.SIGTERM)
            return real(self, *step)

        for resume in (False, True)[: 2 if stop_after else 1]:
            session = prepare(config, device, resume=resume)
            run = srae.runs.writer.RunWriter(runs / "toy") if resume else claim_run(runs, "toy")
            with monkeypatch.context() as patch, suppress(*[] if resume else [Interrupted]):
                patch.setattr(TrainingStep, "__call__", call)
                train(session, run, lambda _: None, resume=resume)
            run.close()
        bits.append((tensors_of(runs / "toy", "last"), figures_of(runs / "toy")))
    assert all(found == bits[0] for found in bits)


def test_recorded_steps_are_the_steps(pairs: Path, device: torch.device) -> None:
    """Ten steps that may be replayed end where ten end that are launched one kernel at a time."""
    ends = []
    for replays in (True, False):
        session = prepare(read_plan(pairs, "muon", device), device)
        step = TrainingStep(session)
        step.why_not_recorded = "" if replays else "not wanted"
        with session.kernels():
            for epoch in range(4):
                for batch in epoch_batches(session, epoch, 0):
                    numbers = step(batch, (0, epoch))
        assert torch.isfinite(numbers).all()
        assert (step._graph is not None) == (replays and device.type == "cuda"), step.why_not_recorded
        ends.append({name: p.detach().cpu() for name, p in session.model.named_parameters()})
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name


@pytest.mark.parametrize("plan", ["adam", "muon", "sgd", "adadelta"])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_before_that_step(
    pairs: Path, tmp_path: Path, device: torch.device, plan: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On CUDA the rest of the epoch goes by, but nothing moves any more; and the message names the same step."""
    session = prepare(read_plan(pairs, plan, device), device)
    run, real, seen = claim_run(tmp_path, "toy"), compute_gradients, 0
    before: dict[str, torch.Tensor] = {}

    def spoil(s: Session, *others: Any) -> Any:
        nonlocal seen
        seen += 1
        numbers = real(s, *others)
        if seen == 6:  # the second step of the second epoch
            before.update({name: p.detach().clone() for name, p in s.model.named_parameters()})
            if what == "gradient":
                gradient = next(p.grad for p in s.model.parameters() if p.grad is not None)
                gradient.view(-1)[0] = float("nan")
            return numbers * torch.tensor([float("nan") if what == "loss" else 1, 1, float("nan")], device=s.device)
        return numbers

    monkeypatch.setattr(srae.training.step, "compute_gradients", spoil)
    monkeypatch.setattr(TrainingStep, "_can_replay", lambda *_: False)  # python is not asked when a graph is replayed
    with pytest.raises(DivergedError) as caught:
        train(session, run, lambda _: None)
    run.close()
    assert str(caught.value.where).startswith("epoch 2, step 6, learning_rate")
    assert ".png" in str(caught.value.where)
    for name, parameter in session.model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    meta = read_checkpoint(tmp_path / "toy" / "checkpoints" / "last.safetensors")[1]
    assert meta["progress"]["epoch"] == 1


def test_tiles_equal_the_whole_and_memory_may_run_out(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    with float32_kernels(device):
        model, input = toy(scale=2).to(device), random_planes(3, 150, 170)
        with torch.no_grad():
            whole = forward_any_size(model, input[None].to(device))[0].cpu()
        assert torch.allclose(forward_in_pieces(model, input, tile=64, device=device), whole, atol=1e-5)
        fails = iter([False, False, True, False, True])

        def forward(self: Any, piece: torch.Tensor) -> torch.Tensor:
            if next(fails, False):
                raise torch.OutOfMemoryError("injected")
            return real(self, piece)

        real = type(model).forward
        monkeypatch.setattr(type(model), "forward", forward)
        assert torch.allclose(forward_in_pieces(model, input, tile=80, device=device), whole, atol=1e-5)
        assert next(fails, None) is None


def test_an_image_is_enlarged_alike_on_every_device(device: torch.device) -> None:
    chain, pixels = [as_network(toy(scale=2), 3, device=device)], random_pixels(90, 70, 3)
    on_cpu = upscale_pixels(pixels, [as_network(toy(scale=2), 3)])
    found = upscale_pixels(pixels, chain, UpscaleOptions(tile=56))
    assert np.abs(found.astype(int) - on_cpu.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("text", "is_memory"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory", True),
        ("could not create a memory object", True),
        ("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("CUDA error: device-side assert triggered", False),
    ],
)
def test_a_fault_of_a_kernel_is_no_want_of_memory(text: str, is_memory: bool) -> None:
    assert tiles.is_memory_error(RuntimeError(text)) is is_memory


def test_scores_do_not_depend_on_the_device(pairs: Path, device: torch.device) -> None:
    session = prepare(read_plan(pairs, "adam", device), device)
    with session.kernels():
        found = evaluate(session.model, session.data.val, TASKS["super_resolution"], Protocol())
    on_cpu = evaluate(session.model.cpu(), session.data.val.to("cpu"), TASKS["super_resolution"], Protocol())
    for name, column in found.items():
        assert column == pytest.approx(on_cpu[name], rel=2e-4), name


def test_training_leaves_no_switch_behind(pairs: Path, tmp_path: Path, device: torch.device) -> None:
    """Which kernels torch takes is everybody's business: a library that trains puts it back."""

    def switches() -> list[Any]:
        backends = torch.backends
        return [
            torch.get_deterministic_debug_mode(), backends.cudnn.deterministic, backends.cudnn.benchmark,
            backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision,
        ]  # fmt: skip

    before = switches()
    session = prepare(read_plan(pairs, "adam", device, epochs=1), device)
    run = claim_run(tmp_path, "toy")
    train(session, run, lambda _: None)
    run.close()
    assert switches() == before
