"""How fast srae trains, beside the same networks in other loops.

    python scripts/benchmark_training.py                      # all cores, about ten minutes on two
    python scripts/benchmark_training.py --threads 1 --minutes 5 --works cnn4_tanh

Needs lightning beside srae (`pip install --group bench`); without it its row is
left out.  Every contender is a process of its own on the same pictures, the same
network and the same batch; they take turns, round by round, so that a busy
machine slows all of them.  Tables in Markdown go to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# The pictures of a benchmark's folder: train is repeated or cut to this; val is what `prepare` scores.
TRAIN, VAL = 128, 2
WORKS: dict[str, dict[str, Any]] = {
    "cnn4_tanh": {"config": "configs/cnn4_tanh.yaml", "set": []},
    "x2": {
        "config": "configs/upscalers/x2.yaml",
        # One low side, no average of the weights, and the optimizer that the other loops have.
        "set": [
            "data.degrade={kernel: bicubic, scale: 2}",
            "train.weight_average=null",
            "train.optimizer=adam",
            "train.learning_rate=0.001",
        ],
    },
}
LOOPS = {
    "report": "the report's loop: scikit-image in the loop, no workers, `.item()` each step",
    "workers": "plain DataLoader, Pillow, 2 workers",
    "lightning": "Lightning's Trainer, Pillow, 2 workers",
    "float32": "srae, float32",
    "auto": "srae, `precision: auto`",
    "tensors float32": "srae's step on random tensors, float32",
    "tensors auto": "srae's step on random tensors, `precision: auto`",
}
GROWTH = (
    ("pictures of an epoch", "cnn4_tanh", "pictures", (64, 128, 256)),
    ("pictures of a batch", "cnn4_tanh", "batch", (16, 32, 64)),
    ("pixels of a picture", "x2", "crop", (48, 68, 96)),  # 68 squared is twice 48 squared
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


def make_material(folder: Path, data: Path) -> str:
    """`train` and `val` with `low` and `high` side, as links to `data` or as the built-in pictures; says which."""
    from srae.data import Options
    from srae.data.demo import open_demo
    from srae.data.layouts import find_pairs
    from srae.images import Picture, write_picture

    sides: list[tuple[Path, Path]] = []
    if data.exists():
        found = find_pairs(data, None, None)
        pairs = found.splits.get("train") or found.splits.get("") or []
        sides = [(pair.low.resolve(), pair.high.resolve()) for pair in pairs if pair.low]
    if not sides:
        split = open_demo(Options(channels="RGBA")).train
        (folder / "demo").mkdir()
        for index in range(len(split)):
            paths = folder / "demo" / f"{index}_low.png", folder / "demo" / f"{index}_high.png"
            for path, store in zip(paths, (split.input, split.target), strict=True):
                write_picture(path, Picture(store.pixels[index].numpy()))
            sides.append(paths)
    most = max(TRAIN, *(count for _, _, key, counts in GROWTH if key == "pictures" for count in counts))
    for split_name, count in (("train", most), ("val", VAL)):
        for place, side in enumerate(("low", "high")):
            (folder / split_name / side).mkdir(parents=True)
            for index in range(count):
                original = sides[index % len(sides)][place]
                (folder / split_name / side / f"{index:04}{original.suffix}").symlink_to(original)
    return data.name if data.exists() else "built-in demo pictures"


def make_config(folder: str, work: str, precision: str, pictures: int, batch: int | None, crop: int | None) -> Any:
    from srae.config import load_config

    sets = [*WORKS[work]["set"], f"data.folder={json.dumps(folder)}", "data.otherwise=null", "data.test_from_val=0"]
    sets += [f"data.limit={pictures}", f"train.precision={precision}", "train.epochs=1000"]
    sets += [f"train.batch_size={batch}"] * bool(batch) + [f"data.crop={crop}"] * bool(crop)
    return load_config(ROOT / WORKS[work]["config"], sets)


# ------------------------------------------------------------ one turn, in a process of its own


class Clock:
    """What the steps and the waiting for their batches took, after a step of warm-up."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.steps, self.samples, self.waited = seconds, -1, 0, 0.0
        self.began = 0.0

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        source, end = iter(batches), object()
        while not self.is_over():
            asked = time.perf_counter()
            batch = next(source, end)
            if batch is end:
                return
            self.waited += time.perf_counter() - asked
            yield batch

    def tick(self, samples: int) -> None:
        self.steps += 1
        if self.steps:
            self.samples += samples
        else:  # the first step, and what it waited for, do not count
            self.began, self.waited = time.perf_counter(), 0.0
        self.spent = time.perf_counter() - self.began

    def is_over(self) -> bool:
        return self.steps > 0 and self.spent >= self.seconds


def take_turn(
    loop: str,
    folder: str,
    work: str,
    seconds: float,
    pictures: int = TRAIN,
    batch: int | None = None,
    crop: int | None = None,
) -> dict[str, float]:
    """Rate, share of waiting for data, memory of one contender."""
    warnings.simplefilter("ignore")
    import torch

    if loop.startswith("peak "):
        return {"rate": matrix_peak(torch.bfloat16 if loop == "peak bfloat16" else torch.float32, seconds / 2)}
    config = make_config(folder, work, "auto" if loop.endswith("auto") else "float32", pictures, batch, crop)
    clock = Clock(seconds)
    if loop in ("report", "workers", "lightning"):
        extra = run_peer(loop, config, clock)
    else:
        extra = run_srae(config, clock, on_tensors=loop.startswith("tensors"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rate": clock.samples / clock.spent,
        "step": clock.spent / clock.steps,
        "waiting": clock.waited / clock.spent,
        "peak": peak,
        **extra,
    }


def run_srae(config: Any, clock: Clock, *, on_tensors: bool) -> dict[str, float]:
    """srae's own loop on its own data; or on one batch of random tensors, as the ceiling."""
    import torch

    from srae import train
    from srae.data import Batch
    from srae.evaluate import evaluate
    from srae.models import count_multiply_adds
    from srae.progress import Progress

    began = time.perf_counter()
    session = train.prepare(config, torch.device("cpu"))
    prepared, split = time.perf_counter() - began, session.data.train
    size, batches_of = config.train.batch_size, train._batches
    if on_tensors:
        shapes = session.data.in_shape, session.data.out_shape
        tensors = [torch.rand(size, h, w, c).permute(0, 3, 1, 2) for c, h, w in shapes]
        random_batch = Batch(tensors[0], tensors[1], list(range(min(size, len(split)))))
        batches_of = lambda *_: iter([random_batch] * session.steps_per_epoch)  # noqa: E731
    train._batches = lambda *place: clock.watch(batches_of(*place))  # type: ignore[assignment]
    epoch, counted = 0, 0

    def ended() -> bool:
        """Asked by the loop after every step."""
        nonlocal counted
        clock.tick(progress.samples - counted)
        counted = progress.samples
        return clock.is_over()

    while not clock.is_over():
        progress, counted = Progress(epoch=epoch), 0
        train._run_epoch(session, progress, ended)
        epoch += 1
    stores = [split.input, split.target, *split.more_inputs]
    began, scored = time.perf_counter(), min(len(split), 16)
    part = type(split)(*(type(s)(s.pixels[:scored]) for s in (split.input, split.target)), split.names[:scored])
    evaluate(session.model, part, session.task, session.protocol, dtype=session.dtype)
    return {
        "prepared": prepared,
        "store": sum(store.pixels.numel() for store in stores) / 2**20,
        "epoch": clock.spent / clock.steps * session.steps_per_epoch,
        "scoring": (time.perf_counter() - began) / scored,
        "flops": 6.0 * count_multiply_adds(session.model, session.data.in_shape),
    }


class Pictures:
    """A torch data set as courses write it: decode, crop, turn, convert, sample by sample."""

    def __init__(self, config: Any, read: Callable[[Path], Any]) -> None:
        self.data, self.read = config.data, read
        folder = Path(config.data.folder) / "train"
        self.low, self.high = (sorted((folder / side).iterdir())[: config.data.limit] for side in ("low", "high"))

    def __len__(self) -> int:
        return len(self.high) * self.data.crops_per_picture

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import numpy as np
        import torch
        from PIL import Image

        place = index // self.data.crops_per_picture
        high, crop = self.read(self.high[place]), self.data.crop
        if self.data.degrade:  # the low side is made of the crop
            top, left = (random.randrange(length - crop + 1) for length in high.shape[:2])
            high = high[top : top + crop, left : left + crop]
            if random.random() < 0.5:
                high = high[:, ::-1]
            high = np.ascontiguousarray(np.rot90(high, random.randrange(4)))
            low = np.asarray(Image.fromarray(high).resize([crop // self.data.degrade.scale] * 2, Image.BICUBIC))
        else:
            low = self.read(self.low[place])
        both = (torch.from_numpy(np.array(side)).permute(2, 0, 1).float() / 255 for side in (low, high))
        low, high = (side.contiguous() for side in both)
        return low, high


class ReadWith:
    """A file as uint8 (H, W, C); a class, so that it goes to workers."""

    def __init__(self, library: str, channels: str) -> None:
        self.library, self.channels = library, channels

    def __call__(self, path: Path) -> Any:
        import numpy as np

        if self.library == "pillow":
            from PIL import Image

            return np.asarray(Image.open(path).convert(self.channels))
        from skimage import io

        pixels = io.imread(path)
        if pixels.shape[2] < len(self.channels):
            pixels = np.dstack((pixels, np.full(pixels.shape[:2], 255, np.uint8)))
        return pixels[..., : len(self.channels)]


def run_peer(loop: str, config: Any, clock: Clock) -> dict[str, float]:
    """The report's loop, a plain one with workers, or Lightning's, in float32."""
    import torch
    from torch.utils.data import DataLoader

    from srae.models import build_model
    from srae.tasks import LOSSES

    pictures: Any = Pictures(config, ReadWith("skimage" if loop == "report" else "pillow", config.data.channels))
    workers: dict[str, Any] = {} if loop == "report" else {"num_workers": 2, "persistent_workers": True}
    loader = DataLoader(pictures, config.train.batch_size, shuffle=True, **workers)
    low, high = pictures[0]
    torch.manual_seed(0)
    model = build_model(config.model.name, tuple(low.shape), tuple(high.shape), config.model.options)
    loss_of, weight = LOSSES[config.train.loss], config.train.loss_weight
    settings = {"lr": config.train.learning_rate, "weight_decay": config.train.weight_decay}
    if loop == "lightning":
        run_lightning(model, loader, lambda output, target: loss_of(output, target) * weight, settings, clock)
        return {}
    optimizer, losses = torch.optim.Adam(model.parameters(), **settings), []
    while not clock.is_over():
        for input, target in clock.watch(loader):
            optimizer.zero_grad()
            loss = loss_of(model(input), target) * weight
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            clock.tick(len(input))
    return {}


def run_lightning(model: Any, loader: Any, loss_of: Any, settings: dict[str, float], clock: Clock) -> None:
    import logging

    import lightning
    import torch

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> Any:
            loss = loss_of(self.model(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.model.parameters(), **settings)

    class Watched:
        def __iter__(self) -> Iterator[Any]:
            return clock.watch(loader)

        def __len__(self) -> int:
            return len(loader)

    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
            clock.tick(len(batch[0]))
            trainer.should_stop = clock.is_over()

    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1000,
        min_epochs=0,
        callbacks=[Stop()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), Watched())


def matrix_peak(dtype: Any, seconds: float) -> float:
    """Operations per second of a product of two matrices that fit no cache."""
    import torch

    side, rates = 2048, []
    a, b = (torch.rand(side, side).to(dtype) for _ in range(2))
    torch.mm(a, b)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        torch.mm(a, b)
        rates.append(2 * side**3 / (time.perf_counter() - began))
    return statistics.median(rates)


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
        flops = middle(work, "float32", "flops")
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
        store = middle(work, "float32", "store")
        print(f"\nOperations of a step: three times those of a forward pass, {flops / 1e9:.2f} GFLOP a sample.")
        print(f"The store of {TRAIN} train pictures holds {store:.0f} MB; workers' memory is not counted.")
        for loop in ("float32", "auto"):
            ceiling = middle(work, loop, "rate") / middle(work, f"tensors {loop}", "rate")
            share = middle(work, loop, "scoring") * middle(work, loop, "rate")
            print(
                f"srae, {loop}: {100 * ceiling:.0f} % of the rate on random tensors; "
                f"scoring a whole picture takes as long as training {share:.2f} samples."
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
            result = turn(loop="float32", folder=str(folder), work=work, seconds=args.seconds / 2, **{key: value})
            what = "epoch" if key == "pictures" else "step"
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
    print(f"Python {platform.python_version()}, {', '.join(versions)}.  Pictures: {source}.", flush=True)


if __name__ == "__main__":
    main()
