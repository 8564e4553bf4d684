"""Say what would fail on this machine, before a training finds out."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple

from srae.cli import print_json
from srae.errors import ResourceError

EXAMPLES = """
  srae doctor
  srae doctor --runs-dir results/runs --json
"""

LIBRARIES = {"torch": "torch", "torchvision": "torchvision", "pillow": "PIL"}
ENOUGH_DISK, LITTLE_DISK = 2e9, 2e8  # 17 million parameters with Adam's moments, three checkpoints: 0.6 GB
LITTLE_RAM = 2e9


class Check(NamedTuple):
    level: str
    """ok, warn (works, but not as one might wish) or fail."""
    name: str
    found: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    checks = [*check_libraries(), *check_arithmetic(), check_memory(), *check_runs_dir(args.runs_dir), check_configs()]
    failed = any(check.level == "fail" for check in checks)
    if args.json:
        print_json({"ok": not failed, "checks": [check._asdict() for check in checks]})
    else:
        for check in checks:
            print(f"{check.level:<5} {check.name:<12} {check.found}" + (f"; {check.remedy}" if check.remedy else ""))
    return ResourceError.exit_code if failed else 0


def check_libraries() -> Iterator[Check]:
    """Python and the libraries that matter most can be imported and are new enough."""
    yield Check("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    needed = read_requirements()
    for library, module in LIBRARIES.items():
        try:
            import_module(module)
            version = metadata.version(library)
        except Exception as error:  # a broken library raises anything, an OSError of a missing .so for one
            problem = f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
            yield Check("fail", library, problem, f"pip install --upgrade {library}")
            continue
        wanted = needed.get(library, "0")
        if _numbers(version) < _numbers(wanted):
            yield Check("fail", library, f"{version} is too old", f"pip install --upgrade '{library}>={wanted}'")
        else:
            yield Check("ok", library, version)


def read_requirements() -> dict[str, str]:
    """The least version of each library, as the installed package states it; nothing when srae is not installed."""
    try:
        lines = metadata.requires("srae") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w-]+)>=([\d.]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3])


def check_arithmetic() -> Iterator[Check]:
    """Threads, bfloat16 and CUDA; a GPU counts only when it computes."""
    try:
        import torch

        from srae.device import has_bfloat16
    except Exception:  # told by check_libraries
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    remedy = f"unset OMP_NUM_THREADS to use all {cores}" if threads < cores else ""
    yield Check("ok" if threads >= cores else "warn", "threads", f"{threads} of {cores} cores", remedy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if not available:
        why = str(caught[0].message).splitlines()[0] if caught else "none"
        yield Check("warn" if caught else "ok", "cuda", why, "--device auto trains on the CPU, --device cuda stops")
    for index in range(torch.cuda.device_count() if available else 0):
        yield _check_gpu(index)
    device = torch.device("cuda" if available else "cpu")
    native = has_bfloat16(device)
    found = f"native on {device.type}" if native else f"only emulated on {device.type}"
    yield Check("ok", "bfloat16", found, "" if native else "precision auto keeps float32")


def _check_gpu(index: int) -> Check:
    import torch

    try:
        name = torch.cuda.get_device_name(index)
        torch.ones(8, device=f"cuda:{index}").sum().item()
        free, total = (amount / 1e9 for amount in torch.cuda.mem_get_info(index))
    except RuntimeError as error:
        return Check("fail", "cuda", f"device {index}: {error}".splitlines()[0], "use --device cpu")
    level = "ok" if free > 2 else "warn"
    return Check(level, "cuda", f"{name}: {free:.1f} of {total:.1f} GB free", "" if free > 2 else "others use it")


def check_memory() -> Check:
    """What the system says is available; a container may be allowed less."""
    try:
        free = int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) * 1024
    except (OSError, IndexError):
        return Check("ok", "memory", "unknown on this system")
    if free < LITTLE_RAM:
        return Check("warn", "memory", f"{free / 1e9:.1f} GB available", "use crops and a small batch_size")
    return Check("ok", "memory", f"{free / 1e9:.1f} GB available")


def check_runs_dir(runs_dir: Path) -> Iterator[Check]:
    """A file can be made where the runs go, and there is room; the folder itself need not exist yet."""
    folder = runs_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check("fail", "runs folder", f"cannot write into {folder}: {error.strerror}", "choose --runs-dir")
        return
    yield Check("ok", "runs folder", f"{runs_dir} can be written")
    level = "ok" if free > ENOUGH_DISK else "warn" if free > LITTLE_DISK else "fail"
    yield Check(level, "disk", f"{free / 1e9:.1f} GB free", "" if level == "ok" else "free some, or choose --runs-dir")


def check_configs() -> Check:
    """The shipped YAMLs are where bare names are looked up."""
    from srae.config import CONFIG_FOLDERS

    names = {file.relative_to(folder) for folder in CONFIG_FOLDERS for file in folder.rglob("*.yaml")}
    if not names:
        return Check("fail", "configs", "no shipped config found", "install srae again")
    return Check("ok", "configs", f"{len(names)} shipped")
