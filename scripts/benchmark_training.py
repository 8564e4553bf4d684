"""How fast srae trains, beside the same networks in other loops.

    python scripts/benchmark_training.py                      # all cores, about ten minutes on two
    python scripts/benchmark_training.py --threads 1 --minutes 5 --works cnn4_tanh

Needs lightning beside srae (`pip install --group bench`); without it its row is
left out.  Every contender is a process of its own on the same images, the same
network and the same batch; they take turns, round by round, so that a busy
machine slows all of them.  Tables in Markdown go to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from training_contenders import TRAIN, VAL, WORKS, take_turn

ROOT = Path(__file__).parents[1]
LOOPS = {
    "report": "the report's loop: scikit-image in the loop, no workers, `.item()` each step",
    "workers": "plain DataLoader, Pillow, 2 workers",
    "lightning": "Lightning's Trainer, Pillow, 2 workers",
    "srae float32": "srae, float32",
    "srae auto": "srae, `precision: auto`",
    "tensors float32": "srae's step on random tensors, float32",
    "tensors auto": "srae's step on random tensors, `precision: auto`",
}
GROWTH = (
    ("images of an epoch", "cnn4_tanh", "images", (64, 128, 256)),
    ("images of a batch", "cnn4_tanh", "batch", (16, 32, 64)),
    ("pixels of an image", "x2", "crop", (48, 68, 96)),  # 68 squared is twice 48 squared
)
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/isr855"), help="pairs (default: data/isr855, or demo)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for every contender (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender at most (default: 5)")
    parser.add_argument("--seconds", type=float, default=5, help="of a turn, after a step of warm-up (default: 5)")
    parser.add_argument("--minutes", type=float, default=10, help="no round begins that would end later (default: 10)")
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=list(WORKS), help="networks (default: both)")
    parser.add_argument("--no-growth", action="store_true", help="leave the growth table out")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        return print(json.dumps(take_turn(**json.loads(args.turn))))
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_material(folder, args.data)
        describe_machine(args.threads, source)
        if not args.no_growth:
            show_growth(folder, args)
        show_rounds(*run_rounds(folder, args, start), args)
    print(f"\nMeasured in {time.perf_counter() - start:.0f} s.")


# ------------------------------------------------------------------------ material


def make_material(folder: Path, data: Path, most: int | None = None) -> str:
    """`train` and `val` with `low` and `high` side, as links to `data` or as the built-in images; says which.

    Args:
        most: train images; as many as the benchmark needs without it.
    """
    from srae.config.data_sets import DemoConfig
    from srae.data.demo import open_demo
    from srae.data.layouts import find_pairs
    from srae.images.image import TaggedImage, write_image

    sides: list[tuple[Path, Path]] = []
    if data.exists():
        found = find_pairs(data, None, None)
        pairs = found.splits.get("train") or found.splits.get("") or []
        sides = [(pair.low.resolve(), pair.high.resolve()) for pair in pairs if pair.low]
    if not sides:
        split = open_demo(DemoConfig(channels="RGBA")).train
        (folder / "demo").mkdir(parents=True)
        for index in range(len(split)):
            paths = folder / "demo" / f"{index}_low.png", folder / "demo" / f"{index}_high.png"
            for path, store in zip(paths, (split.input, split.target), strict=True):
                write_image(path, TaggedImage(store.pixels[index].numpy()))
            sides.append(paths)
    most = most or max(TRAIN, *(count for _, _, key, counts in GROWTH if key == "images" for count in counts))
    for split_name, count in (("train", most), ("val", VAL)):
        for place, side in enumerate(("low", "high")):
            (folder / split_name / side).mkdir(parents=True)
            for index in range(count):
                original = sides[index % len(sides)][place]
                (folder / split_name / side / f"{index:04}{original.suffix}").symlink_to(original)
    return data.name if data.exists() else "built-in demo images"


# ------------------------------------------------------------------------- rounds


def turn(**task: Any) -> dict[str, float]:
    """`take_turn` in a new process."""
    command = [sys.executable, __file__, "--turn", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{task}:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_rounds(
    folder: Path, args: argparse.Namespace, start: float
) -> tuple[dict[tuple[str, str], list[dict[str, float]]], int]:
    """(work, contender) -> its turns; and how many rounds there was time for."""
    loops = list(LOOPS)
    try:
        version("lightning")
    except PackageNotFoundError:
        loops.remove("lightning")
        print("lightning is not installed: its row is left out (pip install --group bench)", file=sys.stderr)
    tasks = [(work, loop) for work in args.works for loop in loops]
    tasks += [("", "peak float32"), ("", "peak bfloat16")]
    found: dict[tuple[str, str], list[dict[str, float]]] = {task: [] for task in tasks}
    began = time.perf_counter()
    for done in range(args.rounds):
        now = time.perf_counter()
        if done and now - start + (now - began) / done > 60 * args.minutes:
            return found, done
        for work, loop in tasks:
            print(f"round {done + 1}: {work} {loop}", file=sys.stderr)
            found[work, loop].append(turn(loop=loop, folder=str(folder), work=work, seconds=args.seconds))
    return found, args.rounds


def show_rounds(found: dict[tuple[str, str], list[dict[str, float]]], rounds: int, args: argparse.Namespace) -> None:
    def middle(work: str, loop: str, key: str) -> float:
        return statistics.median(result[key] for result in found[work, loop])

    peaks = {d: max(result["rate"] for result in found["", f"peak {d}"]) for d in ("float32", "bfloat16")}
    said = ", ".join(f"{rate / 1e9:.0f} GFLOP/s {dtype}" for dtype, rate in peaks.items())
    print(f"\nMatrix product (2048), at best: {said}.  Below: medians of {rounds} rounds of {args.seconds:g} s.")
    for work in args.works:
        config = ROOT / WORKS[work]["config"]
        print(f"\n## `{config.relative_to(ROOT)}`\n")
        print("| | images/s | range | / report's loop | / Lightning | waiting for data | share of peak | peak MB |")
        print("|---|---|---|---|---|---|---|---|")
        flops = middle(work, "srae float32", "flops")
        for loop, label in LOOPS.items():
            if (work, loop) not in found:
                continue
            rates, rate = sorted(r["rate"] for r in found[work, loop]), middle(work, loop, "rate")
            against = [
                f"{rate / middle(work, other, 'rate'):.2f}" if (work, other) in found else "–"
                for other in ("report", "lightning")
            ]
            peak = peaks["bfloat16" if loop.endswith("auto") and computes_in_bfloat16() else "float32"]
            cells = [label, f"{rate:.1f}", f"{rates[0]:.1f} – {rates[-1]:.1f}", *against]
            cells += [f"{100 * middle(work, loop, 'waiting'):.1f} %", f"{100 * rate * flops / peak:.0f} %"]
            print_row([*cells, f"{middle(work, loop, 'peak'):.0f}"])
        store = middle(work, "srae float32", "store")
        print(f"\nOperations of a step: three times those of a forward pass, {flops / 1e9:.2f} GFLOP a sample.")
        print(f"The store of {TRAIN} train images holds {store:.0f} MB; workers' memory is not counted.")
        for loop in ("srae float32", "srae auto"):
            ceiling = middle(work, loop, "rate") / middle(work, loop.replace("srae", "tensors"), "rate")
            share = middle(work, loop, "scoring") * middle(work, loop, "rate")
            print(
                f"srae, {loop}: {100 * ceiling:.0f} % of the rate on random tensors; "
                f"scoring a whole image takes as long as training {share:.2f} samples."
            )


def show_growth(folder: Path, args: argparse.Namespace) -> None:
    print("\n## Growth (srae, float32)\n")
    print_row(["", "network", "value", "seconds", "of a", "prepared in s", "store MB", "peak MB"])
    print_row(["---"] * 8)
    for label, work, key, values in GROWTH:
        if work not in args.works:
            continue
        for value in values:
            print(f"growth: {label} {value}", file=sys.stderr)
            result = turn(loop="srae float32", folder=str(folder), work=work, seconds=args.seconds / 2, **{key: value})
            what = "epoch" if key == "images" else "step"
            shown = f"{value}x{value}" if key == "crop" else str(value)
            cells = [label, work, shown, f"{result[what]:.3f}", what, f"{result['prepared']:.1f}"]
            print_row([*cells, f"{result['store']:.0f}", f"{result['peak']:.0f}"])


def print_row(cells: list[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def computes_in_bfloat16() -> bool:
    import torch

    from srae.device import has_bfloat16

    return has_bfloat16(torch.device("cpu"))


def describe_machine(threads: int, source: str) -> None:
    kind, flags = "", ""
    try:
        text = Path("/proc/cpuinfo").read_text()
        names, found = re.search(r"model name\s*:\s*(.+)", text), re.search(r"flags\s*:\s*(.+)", text)
        kind, flags = names[1] if names else "", found[1] if found else ""
    except OSError:
        pass
    has = ", ".join(flag for flag in FLAGS if flag in flags.split()) or "flags unknown"
    print("# Training\n")
    print(f"{platform.machine()} ({kind or 'unknown'}; {has}), {os.cpu_count()} cores, {threads} threads each.")
    versions = []
    for library in ("srae", "torch", "lightning", "scikit-image", "pillow"):
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    print(f"Python {platform.python_version()}, {', '.join(versions)}.  Images: {source}.", flush=True)


if __name__ == "__main__":
    main()
