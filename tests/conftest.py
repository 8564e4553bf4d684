"""What every test file may use: one torch thread, the command in a child process, small folders of pairs."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from warm_parent import WarmParent

# The same examples at every start: a change is judged by what it changed. New examples are the long tier's work.
LONG = os.environ.get("SRAE_FAULTS") == "full"
settings.register_profile("srae", derandomize=not LONG, max_examples=1000 if LONG else 100, deadline=None)
settings.load_profile("srae")

Run = Callable[..., subprocess.CompletedProcess[str]]

SOURCE = Path(__file__).parents[1] / "src"
# Every child process too runs this checkout, whatever srae is installed.
# Graphs that engines are given are kept for the user; those of tests are not.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="srae_cache_")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH", ""))))

# What was written survives the end of a process: only a power cut needs the disk, which takes milliseconds.  A wrong
# handle is an error as ever, and child processes flush as those of users do.
os.fsync = os.fstat  # type: ignore[assignment]


def pytest_configure(config: pytest.Config) -> None:
    import srae

    # xdist begins with the files of most tests: the last ones would be those of one test of many seconds.
    config.option.loadscopereorder = False

    if Path(srae.__file__).parents[1] != SOURCE:
        raise pytest.UsageError(f"these tests are of {SOURCE}, but srae is imported from {srae.__file__}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The million objects of imported modules stay: no garbage collection needs to go through them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two threads give other bits and make small tensors slower; tests without torch do not pay for it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _cheap_plots() -> None:
    """TrueType and 300 dots per inch take half the time of a report: only tests that look at them draw in STYLE."""
    if "srae.report.canvas" in sys.modules:
        sys.modules["matplotlib"].rcParams.update({"pdf.fonttype": 3, "savefig.dpi": 60})


@pytest.fixture(autouse=True)
def _cheap_graphs() -> None:
    """Each export reads anew how torch's operators are written as ONNX, in half a second: here all share one table."""
    registration = sys.modules.get("torch.onnx._internal.exporter._registration")
    if registration is not None and not hasattr(registration.ONNXRegistry.from_torchlib, "cache_info"):
        table = functools.cache(registration.ONNXRegistry.from_torchlib)
        registration.ONNXRegistry.from_torchlib = staticmethod(table)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> Any:
    """Where the arithmetic runs: the test is repeated on CUDA where there is one."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return torch.device(request.param)


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment of a user who has set nothing: no colours forced, no stray settings, one thread."""
    names = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "XDG_CACHE_HOME")
    kept = {key: os.environ[key] for key in names if key in os.environ}
    if "PYTHONPATH" in changes:
        changes["PYTHONPATH"] += os.pathsep + kept["PYTHONPATH"]
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


@pytest.fixture
def srae(tmp_path: Path) -> Run:
    """``srae("runs", "--json")``: the command in a child process, in an empty folder unless `cwd` says otherwise."""

    def run(
        *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "srae", *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=cwd or tmp_path,
            env=clean_environment(**(env or {})),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def call(tmp_path: Path) -> Run:
    """As the fixture `srae`, in this process: no start of Python and torch to wait for."""
    from one_process import run_here

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        (done,) = run_here([arguments], tmp_path)
        return subprocess.CompletedProcess(arguments, done.code, done.out, done.err)

    return run


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    """A process that has imported torch and forks victims; see tests/faults/warm_parent.py."""
    from warm_parent import WarmParent

    with WarmParent(tmp_path_factory.mktemp("victims") / "output") as parent:
        yield parent


@pytest.fixture
def pair_folder(tmp_path: Path) -> Callable[..., Path]:
    """A maker of pairs in a folder of `tmp_path`; see `builders.write_pairs`."""
    from builders import write_pairs

    def make(*, name: str = "pairs", train: int = 4, size: tuple[int, int] = (16, 16), **more: Any) -> Path:
        return write_pairs(tmp_path / name, train=train, size=size, **more)

    return make


@pytest.fixture(scope="session")
def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""], env=clean_environment())
    process.wait()
    return process.pid
