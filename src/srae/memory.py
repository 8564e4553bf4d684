"""Memory of this process and machine.  No torch."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from srae.errors import ResourceError


def available_memory() -> int | None:
    """Bytes available without swapping, within the limit of a container; None where the system does not report it."""
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


def check_memory(need: int, what: str, remedy: str) -> None:
    """Raises: ResourceError when `what` needs more bytes than are free; otherwise the system would kill the process."""
    free = available_memory()
    if free is not None and need > free:
        raise ResourceError(
            f"{what}: {need / 1e9:.1f} GB of memory are needed, {free / 1e9:.1f} GB are free", None, remedy
        )


def rss_peak() -> float | None:
    """Peak of this process so far in MB (2**20 bytes); None where the system does not report it."""
    with suppress(OSError, IndexError):
        return _read_number("/proc/self/status", "VmHWM:") / 2**10
    with suppress(ImportError):  # Windows has no such module
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, kilobytes elsewhere
        # Not first: on Linux this value starts at the peak of the parent process.
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
    with suppress(ImportError, AttributeError):  # psutil reports a peak only on Windows
        import psutil

        return float(getattr(psutil.Process().memory_info(), "peak_wset") / 2**20)  # noqa: B009  other systems: none
    return None


def keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory; no effect with other allocators.

    It changes the entire process, so a command calls it, before the first large tensor; a library must not.
    By default glibc returns large tensors to the system and requests them again at every step; clearing and mapping
    their pages takes up to half of a training step (docs/lab_log.md).  With kept memory, huge pages only cost time.
    """
    os.environ["THP_MEM_ALLOC_ENABLE"] = "0"
    trim_threshold, mmap_max = -1, -4  # of glibc's malloc.h
    with suppress(OSError, AttributeError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(mmap_max, 0)  # no separate mappings, which end when they are freed
        set_option(trim_threshold, -1)  # never trim


def _read_number(file: str, name: str) -> int:
    """The number after a name that begins a line of a file in /proc or /sys."""
    return int(re.findall(rf"^{name}\s+(\d+)", Path(file).read_text(encoding="utf-8"), re.MULTILINE)[0])
