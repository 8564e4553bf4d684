"""Device, precision, seeds, and the memory of devices."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch

from srae import __version__
from srae.errors import ConfigError, ResourceError
from srae.files import CHECKOUT
from srae.memory import available_memory, rss_peak

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA when it works and falls back to the CPU; ``cuda:1`` is the second GPU; ``mps`` is Apple's.

    Raises:
        ConfigError: no such name.
        ResourceError: the device is not available.
    """
    kind, colon, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and (kind != "cuda" or not index.isdecimal())):
        raise ConfigError(f"no device is called {name!r}", "--device", f"one of {DEVICES}")
    if kind == "cpu" or (kind == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if kind == "mps":
        if torch.backends.mps.is_available():
            return torch.device("mps")
        raise ResourceError("no MPS device", "this torch finds no Apple GPU", "use --device cpu")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = (
            f"this torch is built for CUDA {built}, but no GPU responds"
            if built
            else "this torch is built without CUDA"
        )
        raise ResourceError("no CUDA device", why, "use --device cpu, or --device auto")
    count = torch.cuda.device_count()
    if colon and int(index) >= count:
        raise ResourceError(f"no CUDA device {index}", f"this machine has {count}", f"use --device cuda:{count - 1}")
    return torch.device("cuda", int(index) if colon else torch.cuda.current_device())


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The number format of a network's computation; its weights stay float32.

    Args:
        name: ``float32``; ``tf32``, float32 with 10-bit mantissas in products on the GPU; ``bfloat16``;
            ``float16``; or ``auto``: bfloat16 where the hardware has it, float16 on GPUs without it (T4, V100).

    Raises:
        ConfigError: the device does not support it.
    """
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
    if name == "auto":
        if has_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if capability >= (7, 0) else torch.float32
    if device.type == "mps" and name != "float32":
        raise ConfigError(f"{name} is not supported on MPS", "train.precision", "use float32, or auto")
    least = {"tf32": (8, 0), "float16": (5, 3)}.get(name, (0, 0))
    if capability < least:
        gpu = f"a GPU of compute capability {least[0]}.{least[1]} or higher"
        raise ConfigError(f"{name} needs {gpu}", "train.precision", "use float32, or auto")
    return {"tf32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}.get(name, torch.float32)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Context in which the network computes in `dtype`; weights stay float32."""
    half = dtype in (torch.bfloat16, torch.float16)
    return torch.autocast(device.type, dtype=dtype if half else torch.bfloat16, enabled=half)


@contextmanager
def float32_kernels(device: torch.device, *, tf32: bool = False) -> Iterator[None]:
    """Context in which float32 products on CUDA have 23-bit mantissas, or 10-bit ones with `tf32`.

    By default torch uses 10 bits (TF32) in convolutions; other devices have no such setting.
    """
    if device.type != "cuda":
        yield
        return
    switches: tuple[Any, ...] = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "tf32" if tf32 else "ieee"
        with torch.cuda.device(device):
            yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


@contextmanager
def repeatable_kernels(device: torch.device) -> Iterator[None]:
    """Context without CUDA kernels of undefined summation order, so that a resumed run is bit-identical.

    CPU kernels have a defined order for a given number of threads.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at the first matrix product
    cudnn, filling = torch.backends.cudnn, cast(Any, torch.utils.deterministic)
    before = cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory
    mode = torch.get_deterministic_debug_mode()
    try:
        cudnn.deterministic, cudnn.benchmark = True, False
        filling.fill_uninitialized_memory = False  # it would fill each new tensor, one more pass over memory
        torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory = before
        torch.set_deterministic_debug_mode(mode)


def seed_all(*numbers: int) -> None:
    """Seed torch's generators from a tuple such as (seed, epoch, batch), in well under a millisecond."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 1) % 2**63
    # torch.manual_seed queues a call with a stack trace until CUDA starts: a millisecond and a leak per step.
    torch.default_generator.manual_seed(mixed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(mixed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(mixed)


def wait_for(device: torch.device) -> None:
    """Block until the device has finished all queued work; needed before time is measured."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def memory_peaks(device: torch.device) -> dict[str, float | None]:
    """Peak memory of this process so far in MB (2**20 bytes), null where it is not known.

    VRAM is null without a GPU.  MPS reports no peak, so there it is the current use.
    """
    peaks: dict[str, float | None] = {"vram_peak_mb": None, "vram_reserved_mb": None}
    if device.type == "mps":
        peaks["vram_peak_mb"] = torch.mps.current_allocated_memory() / 2**20
        peaks["vram_reserved_mb"] = torch.mps.driver_allocated_memory() / 2**20
    if device.type == "cuda":
        peaks["vram_peak_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
        peaks["vram_reserved_mb"] = torch.cuda.max_memory_reserved(device) / 2**20
    peaks["rss_peak_mb"] = rss_peak()
    return peaks


def free_memory(device: torch.device) -> int | None:
    """Free bytes on the device; None where the system does not report it."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Versions, device and threads: what results depend on besides code and config."""
    return {
        "srae": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "pillow": _version("pillow"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "device_type": device.type,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
    }


@cache
def cpu_name() -> str:
    """``AMD EPYC 7B13``; the architecture where the system does not tell the name."""
    with suppress(OSError, IndexError):  # Linux on x86; on ARM this file has no name
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        return re.findall(r"^model name\s*:\s*(\S.*?)\s*$", text, re.MULTILINE)[0]
    with suppress(OSError, subprocess.SubprocessError):  # macOS
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        found = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=10).stdout.strip()
        if found:
            return found
    return platform.processor() or platform.machine()  # Windows tells family and model


def core_count() -> int | None:
    """Logical cores that this process may use; None where the system does not tell."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux: fewer than there are, in a container with a cpuset
    return len(allowed(0)) if allowed else os.cpu_count()


@cache
def _version(library: str) -> str:
    """Version of a library; cached because reading takes milliseconds and every checkpoint stores it."""
    from importlib.metadata import version

    return version(library)


def describe_call() -> dict[str, Any]:
    """When and how this process was started: UTC, CPU, command line, commit of the checkout (None if installed)."""
    root, commit = CHECKOUT, None
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
        with suppress(OSError, subprocess.SubprocessError):
            commit = subprocess.run(
                command, capture_output=True, encoding="utf-8", check=True, timeout=10
            ).stdout.strip()
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": core_count(),
        "git": commit,
        "command": shlex.join([_program(), *sys.argv[1:]]),
    }


def _program() -> str:
    """``srae``, also for ``python -m srae``, whose first argument is the path of a module."""
    name = Path(sys.argv[0])
    return name.parent.name if name.name == "__main__.py" else name.name
