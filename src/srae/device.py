"""Where and how the arithmetic runs: device, precision, seeds, memory."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch

from srae import __version__
from srae.errors import ConfigError, ResourceError
from srae.files import CHECKOUT

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA when it works and falls back to the CPU; ``cuda:1`` is the second GPU; ``mps`` is Apple's.

    Raises:
        ConfigError: no such name.
        ResourceError: a device was asked for and cannot be had.
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
            f"this torch is built for CUDA {built}, but no GPU answers" if built else "this torch is built without CUDA"
        )
        raise ResourceError("no CUDA device", why, "use --device cpu, or --device auto to take what there is")
    count = torch.cuda.device_count()
    if colon and int(index) >= count:
        raise ResourceError(f"no CUDA device {index}", f"this machine has {count}", f"use --device cuda:{count - 1}")
    return torch.device("cuda", int(index) if colon else torch.cuda.current_device())


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products are done by the hardware rather than emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """What a network computes in; its weights are float32 in any case.

    Args:
        name: ``float32``; ``tf32``, float32 whose products on the GPU have 10 bits (`float32_kernels`); ``bfloat16``;
            ``float16``; or ``auto``: bfloat16 where the hardware has it, float16 on GPUs without it (T4, V100).

    Raises:
        ConfigError: the device has no such arithmetic.
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
    """Context in which float32 products on CUDA have 23 bits, or 10 where that is wanted.

    torch lets convolutions have 10 (TF32) unless it is told otherwise; on other devices there is nothing to tell.
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
    """Context without CUDA kernels that add in whatever order comes: a resumed run ends in the same bits.

    CPU kernels have none, at an equal number of threads.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read with the first matrix product
    cudnn, filling = torch.backends.cudnn, cast(Any, torch.utils.deterministic)
    before = cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory
    mode = torch.get_deterministic_debug_mode()
    try:
        cudnn.deterministic, cudnn.benchmark = True, False
        filling.fill_uninitialized_memory = False  # a pass over memory for each new tensor
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
    # torch.manual_seed would queue a call with a stack trace for a CUDA that may never start: a millisecond and a leak.
    torch.default_generator.manual_seed(mixed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(mixed)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(mixed)


def wait_for(device: torch.device) -> None:
    """Until the device has done what it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def keep_freed_memory() -> None:
    """Let the allocator hold on to what is freed; without effect where it is not glibc's.

    It changes the whole process, so it is for a command to call, before the first large tensor; no library may.
    It would give large tensors back to the system and ask for them anew at every step: each page is then cleared and
    mapped again, which takes as long as half of a training step (docs/lab_log.md).  Huge pages only cost time then.
    """
    os.environ["THP_MEM_ALLOC_ENABLE"] = "0"
    trim_threshold, mmap_max = -1, -4  # of glibc's malloc.h
    with suppress(OSError, AttributeError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(mmap_max, 0)  # nothing by a mapping of its own, which would be undone when it is freed
        set_option(trim_threshold, -1)  # never


def memory_peaks(device: torch.device) -> dict[str, float | None]:
    """Peak memory of this process so far in MB (2**20 bytes), null where it is not known.

    VRAM is null without a GPU; Apple's counts no peak: of that it is what is taken now.
    """
    peaks: dict[str, float | None] = {"vram_peak_mb": None, "vram_reserved_mb": None}
    if device.type == "mps":
        peaks["vram_peak_mb"] = torch.mps.current_allocated_memory() / 2**20
        peaks["vram_reserved_mb"] = torch.mps.driver_allocated_memory() / 2**20
    if device.type == "cuda":
        peaks["vram_peak_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
        peaks["vram_reserved_mb"] = torch.cuda.max_memory_reserved(device) / 2**20
    peaks["rss_peak_mb"] = _rss_peak()
    return peaks


def _rss_peak() -> float | None:
    with suppress(OSError, IndexError):
        return _read_number("/proc/self/status", "VmHWM:") / 2**10
    with suppress(ImportError):  # Windows has no such module
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, kilobytes elsewhere
        # The trap: on Linux it begins with the peak of the process that started this one.
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
    with suppress(ImportError, AttributeError):  # only on Windows does psutil know a peak
        import psutil

        return float(getattr(psutil.Process().memory_info(), "peak_wset") / 2**20)  # noqa: B009  other systems: none
    return None


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, within the limit of a container; None where the system does not say."""
    found = []
    with suppress(OSError, IndexError):
        found.append(1024 * _read_number("/proc/meminfo", "MemAvailable:"))
    if not found:
        with suppress(ImportError, OSError):
            import psutil

            found.append(psutil.virtual_memory().available)
    with suppress(OSError, IndexError, ValueError):  # no such file, or "max"
        group = "/sys/fs/cgroup/memory"
        used = int(Path(f"{group}.current").read_text(encoding="utf-8"))
        cached = _read_number(f"{group}.stat", "inactive_file") + _read_number(f"{group}.stat", "active_file")
        found.append(int(Path(f"{group}.max").read_text(encoding="utf-8")) - used + cached)
    return max(min(found), 0) if found else None


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free where the arithmetic runs; None where the system does not say."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()


def _read_number(file: str, name: str) -> int:
    """The number after a name at the beginning of a line."""
    return int(re.findall(rf"^{name}\s+(\d+)", Path(file).read_text(encoding="utf-8"), re.MULTILINE)[0])


def check_memory(need: int, what: str, remedy: str) -> None:
    """Raises: ResourceError when `what` needs more bytes than there are, rather than the system's end of us."""
    free = available_memory()
    if free is not None and need > free:
        raise ResourceError(
            f"{what}: {need / 1e9:.1f} GB of memory are needed, {free / 1e9:.1f} GB are free", None, remedy
        )


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What a number depends on besides the code: versions, device, threads."""
    return {
        "srae": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "pillow": _version("pillow"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "device_type": device.type,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
    }


@cache
def _version(library: str) -> str:
    """Read once: it takes milliseconds, and every checkpoint tells it."""
    from importlib.metadata import version

    return version(library)


def describe_call() -> dict[str, Any]:
    """What was typed, and the commit of srae's own checkout (None where it was installed)."""
    root, commit = CHECKOUT, None
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
        with suppress(OSError, subprocess.SubprocessError):
            commit = subprocess.run(
                command, capture_output=True, encoding="utf-8", check=True, timeout=10
            ).stdout.strip()
    return {"git": commit, "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}
