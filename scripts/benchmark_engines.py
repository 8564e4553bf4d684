"""Engines side by side: rates in a process, the whole command, memory, and how far results lie from torch's.

    python scripts/benchmark_engines.py
    python scripts/benchmark_engines.py --before ../before   # also a checkout of an older srae, in turn with this one

Every contender is a process of its own; they take turns, and the table has medians.  On a quiet machine, ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ENGINES = [name for name in ("torch", "openvino", "onnxruntime") if find_spec(name)]
_SERVE = """
import json, sys, time
import numpy as np
import srae
engine = sys.argv[1]
choice = {} if engine == "before" else {"engine": engine}
models = {}
for line in sys.stdin:
    name, side, precision, seconds = json.loads(line)
    if name not in models:
        models[name] = srae.load_model(name, device="cpu", **choice)
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    call = lambda: srae.upscale(pixels, model=models[name], precision=precision)
    call()
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    print(json.dumps(sorted(times)[len(times) // 2]), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of an older srae")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement in a process")
    args = parser.parse_args()
    contenders = (["before"] if args.before else []) + ENGINES
    with tempfile.TemporaryDirectory() as folder:
        print_commands(contenders, args, Path(folder))
    print_rates(contenders, args)
    print_differences()


def environment(contender: str, before: Path | None) -> dict[str, str]:
    source = before if contender == "before" and before else ROOT
    return {**os.environ, "PYTHONPATH": str(source / "src")}


def print_rates(contenders: list[str], args: argparse.Namespace) -> None:
    """Megapixels of the result a second, arrays of 8 bits in and out."""
    print("\n| network | side | precision | " + " | ".join(f"{name}, MP/s" for name in contenders) + " |")
    print("|---" * (3 + len(contenders)) + "|")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(served(name, args.before)) for name in contenders}
        for network in ("x2", "tiny"):
            for side in (384, 1024):
                for precision in ("auto", "float32"):
                    found: dict[str, list[float]] = {name: [] for name in contenders}
                    for _ in range(args.rounds):
                        for name, server in servers.items():
                            found[name].append(ask(server, [network, side, precision, args.seconds / args.rounds]))
                    rates = [4 * side**2 / 1e6 / statistics.median(found[name]) for name in contenders]
                    cells = " | ".join(f"{rate:.2f} ({rate / rates[0]:.2f}x)" for rate in rates)
                    print(f"| {network} | {side} | {precision} | {cells} |", flush=True)


@contextmanager
def served(contender: str, before: Path | None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, contender],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(contender, before),
    ) as server:  # fmt: skip
        yield server
        assert server.stdin
        server.stdin.close()


def ask(server: subprocess.Popen[str], question: list[Any]) -> float:
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(question) + "\n")
    server.stdin.flush()
    return float(json.loads(server.stdout.readline()))


def print_commands(contenders: list[str], args: argparse.Namespace, folder: Path) -> None:
    """Seconds and peak memory of the whole command: one image, a folder of small ones, a hundred megapixels."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)

    def save(path: Path, height: int, width: int) -> None:
        small = Image.fromarray(draw.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        path.parent.mkdir(exist_ok=True)
        small.resize((width, height), Image.Resampling.BICUBIC).save(path)

    save(folder / "one" / "a.png", 384, 384)
    for number in range(50):
        save(folder / "many" / f"{number}.png", 128, 192)
    save(folder / "large" / "a.png", 5000, 5000)
    jobs = {"384x384, x2": ("one", "x2"), "384x384, tiny": ("one", "tiny"), "50 of 192x128, x2": ("many", "x2"),
            "25 to 100 megapixels, tiny": ("large", "tiny")}  # fmt: skip
    print("| command | " + " | ".join(f"{name}, s | MiB" for name in contenders) + " |")
    print("|---" * (1 + 2 * len(contenders)) + "|")
    for title, (source, network) in jobs.items():
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(1 if source == "large" else args.rounds):
            for name in contenders:
                found[name].append(run_command(folder / source, network, name, args.before))
        middle = {name: tuple(statistics.median(column) for column in zip(*found[name], strict=True)) for name in found}
        first = middle[contenders[0]]
        cells = (f"{s:.2f} ({s / first[0]:.2f}x) | {mib:.0f} ({mib / first[1]:.2f}x)" for s, mib in middle.values())
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def run_command(source: Path, network: str, contender: str, before: Path | None) -> tuple[float, float]:
    """Seconds and peak MiB."""
    target = source.with_name("out")
    words = ["upscale", str(source), "-o", str(target), "--model", network, "--overwrite", "--device", "cpu"]
    words += [] if contender == "before" else ["--engine", contender]
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "srae", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(contender, before),
    )  # fmt: skip
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, words
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def print_differences() -> None:
    """Of 255 levels, from torch in float32, on photographs that scikit-image ships; and the bias."""
    from skimage import data

    import srae

    print("\n| engine | precision | network | largest difference, levels | mean, levels | root mean square, levels |")
    print("|---|---|---|---|---|---|")
    images = [data.astronaut()[:301, :403], data.chelsea()[:, :, :3], data.coffee()[:200]]
    for network in ("x2", "tiny", "x4"):
        wanted = [srae.upscale(one, model=network, engine="torch", precision="float32").astype(int) for one in images]
        for engine in ENGINES:
            for precision in ("float32", "auto"):
                found = [srae.upscale(one, model=network, engine=engine, precision=precision) for one in images]
                errors = [one.astype(int) - other for one, other in zip(found, wanted, strict=True)]
                most = max(abs(error).max() for error in errors)
                mean = max((float(error.mean()) for error in errors), key=abs)
                root = max(float((error**2).mean() ** 0.5) for error in errors)
                print(f"| {engine} | {precision} | {network} | {most} | {mean:+.4f} | {root:.3f} |", flush=True)


if __name__ == "__main__":
    main()
