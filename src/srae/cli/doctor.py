"""Say what would fail on this machine, before a training finds out.

A line with `fail` is something srae needs: exit code 5.  A line with `warn`
works, but not as one might wish.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple

from srae.cli import print_json, show
from srae.errors import ResourceError, SraeError

EXAMPLES = """
  srae doctor
  srae doctor --runs-dir results/runs --json
  srae doctor --clean-cache
"""

# What is imported under another name than it is installed by.
MODULES = {"pillow": "PIL", "scikit-image": "skimage", "pyyaml": "yaml"}
ENOUGH_DISK, LITTLE_DISK = 2e9, 2e8  # 17 million parameters with Adam's moments, three checkpoints: 0.6 GB
ENOUGH_MEMORY, LITTLE_MEMORY = 2e9, 4e8  # torch and a toy network: 0.3 GB


class Check(NamedTuple):
    level: str
    """ok, warn (works, but not as one might wish) or fail."""
    name: str
    found: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument(
        "--clean-cache", action="store_true", help="remove decoded images that no process uses, and nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    if args.clean_cache:
        return clean_cache(args.json)
    checks = [
        check_system(),
        *check_libraries(),
        *check_arithmetic(),
        *check_memory(),
        *check_runs_dir(args.runs_dir),
        check_configs(),
        *check_weights(),
        *check_formats(),
        *check_surroundings(),
        *check_cache(),
    ]
    failed = sum(check.level == "fail" for check in checks)
    if args.json:
        from srae.images.formats import TABLE

        formats = [row.describe() for row in TABLE]
        print_json({"ok": not failed, "checks": [check._asdict() for check in checks], "formats": formats})
    else:
        for check in checks:
            show(f"{check.level:<5} {check.name:<12} {check.found}" + (f"; {check.remedy}" if check.remedy else ""))
        show(f"{failed} would fail" if failed else "nothing would fail")
    return ResourceError.exit_code if failed else 0


def clean_cache(as_json: bool) -> int:
    from srae.data.mapped import clean_cache

    freed, kept = clean_cache()
    if as_json:
        print_json({"freed_bytes": freed, "in_use_bytes": kept})
    else:
        show(f"{freed / 1e9:.1f} GB of decoded images removed, {kept / 1e9:.1f} GB are in use")
    return 0


def check_system() -> Check:
    """What srae does not do on this system."""
    if sys.platform == "win32":
        found = "Windows: Ctrl-C saves and stops a training, ending it from outside does not save"
        return Check("warn", "system", found, "a run that was ended goes on from its last checkpoint")
    if sys.platform == "darwin":
        return Check("ok", "system", "macOS: --device mps computes on its GPU, in float32 only")
    return Check("ok", "system", platform.system())


def check_libraries() -> Iterator[Check]:
    """Python and every library that srae needs can be imported and is new enough."""
    needed = read_requirements()
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _numbers(needed.get("python", "0")):
        yield Check("fail", "python", f"{python} is too old", f"use Python {needed['python']} or newer")
    else:
        yield Check("ok", "python", python)
    for library, wanted in needed.items():
        if library == "python":
            continue
        try:
            import_module(MODULES.get(library, library))
            version = metadata.version(library)
        except Exception as error:  # a broken library raises anything, an OSError of a missing .so for one
            problem = f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
            yield Check("fail", library, problem, f"pip install --upgrade {library}")
            continue
        if _numbers(version) < _numbers(wanted):
            yield Check("fail", library, f"{version} is too old", f"pip install --upgrade '{library}>={wanted}'")
        else:
            yield Check("ok", library, version)


def read_requirements() -> dict[str, str]:
    """The least version of `python` and of each library, as the installed package states it."""
    try:
        about = metadata.metadata("srae").json
    except (
        metadata.PackageNotFoundError
    ):  # run from its source: the libraries are still those that it cannot do without
        return dict.fromkeys(("torch", "torchvision", "pillow", "numpy", "filelock", "psutil", "platformdirs"), "0")
    lines = [f"python{about.get('requires_python', '')}", *about.get("requires_dist", [])]
    found = (re.match(r"([\w-]+)>=([\d.]+)(?!.*\bextra\b)", line) for line in lines)
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


def check_memory() -> Iterator[Check]:
    """What can be taken without swapping, within the limit of a container."""
    try:
        from srae.device import available_memory
    except Exception:  # no torch: told by check_libraries
        return
    free = available_memory()
    if free is None:
        yield Check("ok", "memory", "unknown on this system")
        return
    level = _level(free, ENOUGH_MEMORY, LITTLE_MEMORY)
    remedy = {"ok": "", "warn": "use crops and a small batch_size", "fail": "end other programs"}[level]
    yield Check(level, "memory", f"{free / 1e9:.1f} GB available", remedy)


def _level(free: float, enough: float, little: float) -> str:
    return "ok" if free > enough else "warn" if free > little else "fail"


def check_runs_dir(runs_dir: Path) -> Iterator[Check]:
    """A file can be made, synced and locked where the runs go, and there is room; the folder need not exist yet."""
    from srae.runs.locks import find_refusals

    folder = runs_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        refused = find_refusals(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Check("fail", "runs folder", f"cannot write into {folder}: {error.strerror}", "choose --runs-dir")
        return
    missing = {
        "locks": "without locks: two hosts that train in one run would not notice each other",
        "fsync": "without fsync: a power cut may take what was saved last",
    }
    for what in refused:
        found = f"{runs_dir} is on a file system {missing[what]}"
        yield Check("warn", "runs folder", found, "a --runs-dir on a local disk is safer")
    if not refused:
        yield Check("ok", "runs folder", f"{runs_dir} can be written")
    level = _level(free, ENOUGH_DISK, LITTLE_DISK)
    yield Check(level, "disk", f"{free / 1e9:.1f} GB free", "" if level == "ok" else "free some, or choose --runs-dir")


def check_configs() -> Check:
    """The shipped YAMLs are where bare names are looked up."""
    from srae.config.loading import CONFIG_FOLDERS

    names = {file.relative_to(folder) for folder in CONFIG_FOLDERS for file in folder.rglob("*.yaml")}
    if not names:
        return Check("fail", "configs", "no shipped config found", "install srae again")
    return Check("ok", "configs", f"{len(names)} shipped")


def check_weights() -> Iterator[Check]:
    """Every shipped model is whole, by the checksum it carries."""
    try:
        from srae.checkpoints.loading import load_model
        from srae.checkpoints.shipped import shipped_models
    except Exception:  # no torch: told by check_libraries
        return
    damaged = []
    names = shipped_models()
    for name, path in names.items():
        try:
            load_model(path)
        except SraeError as error:
            damaged.append(f"{name}: {error.what}")
    if damaged or not names:
        yield Check("fail", "models", "; ".join(damaged) or "no shipped model found", "install srae again")
    else:
        yield Check("ok", "models", f"shipped: {', '.join(names)}")


def check_formats() -> Iterator[Check]:
    """The formats of images: what is read and written, and what is not installed."""
    from srae.images.formats import TABLE

    for row in TABLE:
        if row.missing:
            yield Check("ok", row.name, f"not installed: {row.missing}", row.remedy)
            continue
        found = f"{' '.join((*row.suffixes, *row.aliases))}: reads {_bits(row.reads)}"
        found += f", writes {_bits(row.writes)}{', alpha' * row.alpha}" if row.writes else ", is not written"
        yield Check("ok", row.name, found)


def _bits(depths: tuple[int, ...]) -> str:
    return f"{' and '.join(map(str, depths))} bits"


def check_surroundings() -> Iterator[Check]:
    """The terminal's letters, and a place for matplotlib's font list."""
    encoding = (sys.stdout.encoding or "none").lower()
    if encoding.replace("-", "") == "utf8":
        yield Check("ok", "letters", "UTF-8")
    else:
        yield Check("warn", "letters", f"{encoding}: others are shown as escapes", "export LC_ALL=C.UTF-8")
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        yield Check("warn", "temporary", f"no folder for temporary files: {error.strerror}", "set TMPDIR")
        return
    home = Path(os.environ.get("MPLCONFIGDIR") or os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser())
    if home.is_dir() and os.access(home, os.W_OK):
        yield Check("ok", "home", f"{home} can be written")
    else:
        remedy = "set MPLCONFIGDIR to a folder that can be written"
        yield Check("warn", "home", f"{home} cannot be written: every figure waits for a list of fonts", remedy)


def check_cache() -> Iterator[Check]:
    """Decoded images that are kept for later trainings."""
    try:
        from srae.data.mapped import cache_size
    except Exception:  # no torch: told by check_libraries
        return
    if size := cache_size():
        yield Check("ok", "cache", f"{size / 1e9:.1f} GB of decoded images", "--clean-cache removes them")
