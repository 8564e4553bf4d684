"""What works on this machine and what does not: libraries, GPU, memory, disk, configs, models, caches.

No check imports torch before it needs it: a broken torch is one of the findings.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal, NamedTuple

from srae.errors import SraeError

# What is imported under another name than it is installed by.
MODULES = {"pillow": "PIL", "scikit-image": "skimage", "pyyaml": "yaml"}
# Three checkpoints of 17 million parameters with Adam's moments take 0.6 GB.
ENOUGH_DISK, LITTLE_DISK = 2e9, 2e8
# torch and a toy network take 0.3 GB.
ENOUGH_MEMORY, LITTLE_MEMORY = 2e9, 4e8


class MachineCheck(NamedTuple):
    level: Literal["ok", "warn", "fail"]
    """warn: srae works with limits; fail: srae cannot do its work."""
    name: str
    found: str
    remedy: str = ""


def check_machine(runs_dir: Path, processes: int | None = None) -> list[MachineCheck]:
    """Every check, in the order in which they are shown; none raises.

    Args:
        processes: also try whether so many can train together.
    """
    checks: list[Callable[[], Iterator[MachineCheck]]] = [
        check_system,
        check_libraries,
        check_arithmetic,
        check_engines,
        check_memory,
        partial(check_runs_dir, runs_dir),
        check_configs,
        check_weights,
        check_formats,
        check_surroundings,
        check_cache,
        *([partial(check_processes, processes)] if processes else []),
    ]
    return [found for check in checks for found in _without_what_lacks(check)]


def _without_what_lacks(check: Callable[[], Iterator[MachineCheck]]) -> Iterator[MachineCheck]:
    """A check whose library is missing is left out; `check_libraries` reports that one."""
    with suppress(ModuleNotFoundError):
        yield from check()


def check_system() -> Iterator[MachineCheck]:
    """What srae cannot do on this operating system."""
    if sys.platform == "win32":
        found = "Windows: Ctrl-C saves and stops a training, ending it from outside does not save"
        yield MachineCheck("warn", "system", found, "a run that was ended goes on from its last checkpoint")
    elif sys.platform == "darwin":
        yield MachineCheck("ok", "system", "macOS: --device mps computes on its GPU, in float32 only")
    else:
        yield MachineCheck("ok", "system", platform.system())


def check_libraries() -> Iterator[MachineCheck]:
    """Python and every library that srae needs can be imported and is new enough."""
    needed = read_requirements()
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _numbers(needed.get("python", "0")):
        yield MachineCheck("fail", "python", f"{python} is too old", f"use Python {needed['python']} or newer")
    else:
        yield MachineCheck("ok", "python", python)
    for library, wanted in needed.items():
        if library == "python":
            continue
        try:
            import_module(MODULES.get(library, library))
            version = metadata.version(library)
        except Exception as error:  # a broken library raises anything, an OSError of a missing .so for one
            problem = f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
            yield MachineCheck("fail", library, problem, f"pip install --upgrade {library}")
            continue
        if _numbers(version) < _numbers(wanted):
            yield MachineCheck("fail", library, f"{version} is too old", f"pip install --upgrade '{library}>={wanted}'")
        else:
            yield MachineCheck("ok", library, version)


def read_requirements() -> dict[str, str]:
    """The lowest version of `python` and of each library, as the installed package states it."""
    try:
        about = metadata.metadata("srae").json
    except metadata.PackageNotFoundError:  # run from source: no versions are stated, but the libraries are needed
        return dict.fromkeys(("torch", "torchvision", "pillow", "numpy", "filelock", "psutil", "platformdirs"), "0")
    lines = [f"python{about.get('requires_python', '')}", *about.get("requires_dist", [])]
    found = (re.match(r"([\w-]+)>=([\d.]+)(?!.*\bextra\b)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])


def check_arithmetic() -> Iterator[MachineCheck]:
    """Threads, bfloat16 and CUDA; a GPU counts only when it computes."""
    try:
        import torch

        from srae.device import has_bfloat16
    except Exception:  # check_libraries reports it
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    remedy = f"unset OMP_NUM_THREADS to use all {cores}" if threads < cores else ""
    yield MachineCheck("ok" if threads >= cores else "warn", "threads", f"{threads} of {cores} cores", remedy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        why = str(caught[0].message).splitlines()[0] if caught else "none"
        yield MachineCheck(
            "warn" if caught else "ok", "cuda", why, "--device auto trains on the CPU, --device cuda stops"
        )
    for index in range(torch.cuda.device_count() if available else 0):
        yield _check_gpu(index)
    device = torch.device("cuda" if available else "cpu")
    native = has_bfloat16(device)
    found = f"native on {device.type}" if native else f"only emulated on {device.type}"
    yield MachineCheck("ok", "bfloat16", found, "" if native else "precision auto keeps float32")


def _check_gpu(index: int) -> MachineCheck:
    import torch

    try:
        name = torch.cuda.get_device_name(index)
        torch.ones(8, device=f"cuda:{index}").sum().item()
        free, total = (amount / 1e9 for amount in torch.cuda.mem_get_info(index))
    except RuntimeError as error:
        return MachineCheck("fail", "cuda", f"device {index}: {error}".splitlines()[0], "use --device cpu")
    found = f"{name}: {free:.1f} of {total:.1f} GB free"
    if free > 2:
        return MachineCheck("ok", "cuda", found)
    return MachineCheck("warn", "cuda", found, "other programs use this GPU")


def check_engines() -> Iterator[MachineCheck]:
    """What upscales without torch, and whether it computes here what torch computed."""
    from srae.checkpoints.shipped import shipped_models
    from srae.upscaling.backends import EXTRAS, is_installed, open_network

    path = next(iter(shipped_models().values()), None)
    if path is None:
        return
    for engine, extra in EXTRAS.items():
        if not is_installed(engine):
            yield MachineCheck("ok", engine, "not installed", f"pip install 'srae[{extra}]' to upscale faster by it")
            continue
        try:
            open_network(path, engine=engine)
            yield MachineCheck("ok", engine, f"{metadata.version(engine)}, computes what torch does")
        except SraeError as error:
            yield MachineCheck("warn", engine, error.what, "upscaling takes another engine")


def check_memory() -> Iterator[MachineCheck]:
    """Memory that is available without swapping, within the limit of a container."""
    try:
        from srae.memory import available_memory
    except Exception:  # no torch: check_libraries reports it
        return
    free = available_memory()
    if free is None:
        yield MachineCheck("ok", "memory", "unknown on this system")
        return
    level = _level(free, ENOUGH_MEMORY, LITTLE_MEMORY)
    remedy = {"ok": "", "warn": "use crops and a small batch_size", "fail": "end other programs"}[level]
    yield MachineCheck(level, "memory", f"{free / 1e9:.1f} GB available", remedy)


def _level(free: float, enough: float, little: float) -> Literal["ok", "warn", "fail"]:
    return "ok" if free > enough else "warn" if free > little else "fail"


def check_runs_dir(runs_dir: Path) -> Iterator[MachineCheck]:
    """A file can be made, synced and locked where the runs go, and the disk has space; the folder may not exist yet."""
    from srae.runs.locks import find_refusals

    folder = runs_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        refused = find_refusals(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield MachineCheck("fail", "runs folder", f"cannot write into {folder}: {error.strerror}", "choose --runs-dir")
        return
    missing = {
        "locks": "without locks: after a crash, a run of another host is free again 90 s later",
        "fsync": "without fsync: a power cut may take the last checkpoint",
    }
    for what in refused:
        found = f"{runs_dir} is on a file system {missing[what]}"
        yield MachineCheck("warn", "runs folder", found, "a --runs-dir on a local disk is safer")
    if not refused:
        yield MachineCheck("ok", "runs folder", f"{runs_dir} can be written")
    level = _level(free, ENOUGH_DISK, LITTLE_DISK)
    yield MachineCheck(
        level, "disk", f"{free / 1e9:.1f} GB free", "" if level == "ok" else "free some, or choose --runs-dir"
    )


def check_configs() -> Iterator[MachineCheck]:
    """The shipped YAMLs are where bare names are looked up."""
    from srae.config.loading import CONFIG_FOLDERS

    names = {file.relative_to(folder) for folder in CONFIG_FOLDERS for file in folder.rglob("*.yaml")}
    if not names:
        yield MachineCheck("fail", "configs", "no shipped config found", "install srae again")
    else:
        yield MachineCheck("ok", "configs", f"{len(names)} shipped")


def check_weights() -> Iterator[MachineCheck]:
    """Every shipped model is intact, by the checksum in its file."""
    try:
        from srae.checkpoints.loading import load_model
        from srae.checkpoints.shipped import shipped_models
    except Exception:  # no torch: check_libraries reports it
        return
    damaged = []
    names = shipped_models()
    for name, path in names.items():
        try:
            load_model(path)
        except SraeError as error:
            damaged.append(f"{name}: {error.what}")
    if damaged or not names:
        yield MachineCheck("fail", "models", "; ".join(damaged) or "no shipped model found", "install srae again")
    else:
        yield MachineCheck("ok", "models", f"shipped: {', '.join(names)}")


def check_formats() -> Iterator[MachineCheck]:
    """The formats of images: what is read and written, and what is not installed."""
    from srae.images.formats import TABLE

    for row in TABLE:
        if row.missing:
            yield MachineCheck("ok", row.name, f"not installed: {row.missing}", row.remedy)
            continue
        found = f"{' '.join((*row.suffixes, *row.aliases))}: reads {_bits(row.reads)}"
        found += f", writes {_bits(row.writes)}{', alpha' * row.alpha}" if row.writes else ", is not written"
        yield MachineCheck("ok", row.name, found)


def _bits(depths: tuple[int, ...]) -> str:
    return f"{' and '.join(map(str, depths))} bits"


def check_surroundings() -> Iterator[MachineCheck]:
    """The terminal's encoding, and a folder for matplotlib's font list."""
    encoding = (sys.stdout.encoding or "none").lower()
    if encoding.replace("-", "") == "utf8":
        yield MachineCheck("ok", "letters", "UTF-8")
    else:
        yield MachineCheck(
            "warn", "letters", f"{encoding}: other letters are shown as escapes", "export LC_ALL=C.UTF-8"
        )
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        yield MachineCheck("warn", "temporary", f"no folder for temporary files: {error.strerror}", "set TMPDIR")
        return
    home = Path(os.environ.get("MPLCONFIGDIR") or os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser())
    if home.is_dir() and os.access(home, os.W_OK):
        yield MachineCheck("ok", "home", f"{home} can be written")
    else:
        remedy = "set MPLCONFIGDIR to a folder that can be written"
        yield MachineCheck(
            "warn", "home", f"{home} cannot be written: matplotlib lists all fonts again at every start", remedy
        )


def check_cache() -> Iterator[MachineCheck]:
    """Size of the cache of decoded images."""
    try:
        from srae.data.mapped import cache_size
    except Exception:  # no torch: check_libraries reports it
        return
    if size := cache_size():
        yield MachineCheck("ok", "cache", f"{size / 1e9:.1f} GB of decoded images", "--clean-cache removes them")


def check_processes(processes: int) -> Iterator[MachineCheck]:
    """So many processes of this machine find each other and add up."""
    from srae.distributed.probe import time_exchange

    try:
        kind, seconds = time_exchange(processes)
    except SraeError as error:
        yield MachineCheck("fail", "processes", f"{error.what}: {error.where}", error.remedy or "train in one process")
        return
    engine = "NCCL" if kind == "cuda" else "gloo"
    yield MachineCheck("ok", "processes", f"{processes} by {engine}: 1 MiB added up in {1000 * seconds:.1f} ms")
