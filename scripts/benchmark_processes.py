"""What several processes of one machine bring: threads or processes, alone and beside other work; the cost of shards.

    python scripts/benchmark_processes.py --data data       # isr855 and mnist under it; about ten minutes on two cores

Every contender starts anew, prepares a shipped config and takes the same steps; they take turns, round by round, so
that a busy machine slows all of them.  Images per second are those of all processes, medians over the rounds.  Tables
in Markdown go to stdout.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from srae.config.loading import find_config, load_config
from srae.distributed.join import joined
from srae.distributed.launcher import call_in_processes
from srae.memory import keep_freed_memory
from srae.models import check_options
from srae.training.prepare import epoch_batches, prepare
from srae.training.step import TrainingStep

WORKS = {
    "cnn4_tanh": ("cnn4_tanh", "isr855", 64),
    "x2": ("upscalers/x2", "isr855", 16),
    "x2, batch 64": ("upscalers/x2", "isr855", 64),
    "net_1": ("classifiers/mnist_net1", "mnist", 128),
}
"""Config, data set, batch size."""
WARM = 2


class Contender(NamedTuple):
    processes: int
    threads: int
    """Of each process."""
    shards: int

    def describe(self) -> str:
        plural = "es" if self.processes > 1 else ""
        return (
            f"{self.processes} process{plural} of {self.threads} thread{'s' * (self.threads > 1)}, shards {self.shards}"
        )


def measure(work: str, data: str, contender: Contender, seconds: float) -> tuple[float, float]:
    """Images per second of all processes, and numbers that a process sends in a step."""
    torch.set_num_threads(contender.threads)
    keep_freed_memory()
    name, folder, batch_size = WORKS[work]
    changes = [f"data.folder={Path(data) / folder}", f"train.batch_size={batch_size}"]
    config = load_config(find_config(name), [*changes, f"train.shards={contender.shards}"], check_options=check_options)
    with joined("cpu") as (peers, device):
        session = prepare(config, device, peers=peers)
        step, taken, began, samples = TrainingStep(session), 0, 0.0, 0
        mine = torch.tensor(seconds / max(session.step_seconds or 1.0, 1e-3) / peers.size)
        wanted = max(3, min(400, int(peers.total(mine)))) + WARM
        session.model.train()
        with session.kernels():
            while taken < wanted:
                for batch in epoch_batches(session, 0, 0):
                    step(batch, (0, 0, taken))
                    taken += 1
                    if taken == WARM:
                        began, samples = time.perf_counter(), 0
                    else:
                        samples += len(batch.indices)
                    if taken == wanted:
                        break
        rounds = peers.size.bit_length() - 1
        weights = sum(p.numel() for p in session.model.parameters())
        return samples / (time.perf_counter() - began), rounds * weights


@contextmanager
def other_work(wanted: bool) -> Iterator[None]:
    """A program that holds a core."""
    if not wanted:
        yield
        return
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def take_turns(
    work: str, contenders: list[Contender], args: argparse.Namespace, *, busy: bool = False
) -> dict[Contender, list[float]]:
    rates: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    for _ in range(args.rounds):
        for contender in contenders:
            os.environ["OMP_NUM_THREADS"] = str(contender.threads)
            with other_work(busy):
                rate, _ = call_in_processes(
                    measure, contender.processes, work, str(args.data.absolute()), contender, args.seconds
                )
            rates[contender].append(rate)
    return rates


def show(title: str, rates: dict[Contender, list[float]]) -> None:
    first = statistics.median(next(iter(rates.values())))
    for contender, found in rates.items():
        middle, spread = statistics.median(found), f"{min(found):.1f} to {max(found):.1f}"
        print(f"| {title} | {contender.describe()} | {middle:.1f} | {spread} | {middle / first:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--works", nargs="+", default=["cnn4_tanh", "x2", "net_1"], choices=WORKS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each contender's steps")
    parser.add_argument("--parts", nargs="+", default=["threads", "busy", "shards", "growth"])
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| work | processes | images/s | range | ratio |\n|---|---|---|---|---|")
    for work in args.works:
        threads = [Contender(1, 2, 1), Contender(2, 1, 2)]
        if "threads" in args.parts:
            show(work, take_turns(work, threads, args))
        if "busy" in args.parts:
            show(f"{work}, beside a program that holds a core", take_turns(work, threads, args, busy=True))
        if "shards" in args.parts:
            sharded = "x2, batch 64" if work == "x2" else work
            show(f"{sharded}, one process", take_turns(sharded, [Contender(1, 1, 1), Contender(1, 1, 4)], args))
        if "growth" in args.parts:
            show(f"{work}, growth", take_turns(work, [Contender(n, 1, 4) for n in (1, 2, 4)], args))


if __name__ == "__main__":
    main()
