"""Everything that wants a GPU, in one go: at most nine minutes on a bare machine, without a network.

    python scripts/on_gpu.py --archives .gpu --out gpu_results        # on the machine with the GPU
    python scripts/on_gpu.py --parts mnist --scale-limits 4           # what the nine minutes have no room for
    python scripts/on_gpu.py --device cpu --rehearse --out rehearsed  # anywhere: does every part run to its end?

Parts, in order of value; each is a process of its own with a limit of its own, and writes what it has as it goes:

    tests      tests of the `device` fixture: kill and resume to the bit, out of memory by injection
    speed      cnn4_tanh and x2: the report's loop, plain torch, srae, the rate on resident random tensors; upscaling
    reports    reports A and B with the published number of epochs: seconds and VRAM
    upscalers  x2, tiny and x2_plus, an equal share of the time for each
    mnist      net_1 and net_2 for 700 epochs; only when asked for

One training at a time: seven at once took turns on the GPU and were 4 to 7 times as slow each (docs/results/gpu.md).
Needs srae's requirements (`PYTHONPATH=src` will do) and data packed by scripts/gpu_data.py; without them the
demo images.  `--out` gets results.json, results.md, log.txt, run folders as tar files, and weights.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "scripts")]

LIMITS = {"tests": 60, "speed": 110, "reports": 210, "upscalers": 150, "mnist": 150}
"""Seconds of each part; all but the last together under nine minutes."""
REPORT_RUNS = {
    "a": ["unet5", "cnn4_bn_dropout", "cnn3_relu", "cnn4_relu", "cnn4_tanh", "cnn4_sigmoid"],
    "b": ["skip3_k6", "skip2", "skip3", "skip4_pool", "skip3_tanh", "skip4"],
}
UPSCALERS: dict[str, tuple[str, list[str]]] = {
    "x2_plus": ("upscalers/x2", ["model.width=48", "model.blocks=9"]),
    "x2": ("upscalers/x2", []),
    "tiny": ("upscalers/tiny", []),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a rehearsal")
    parser.add_argument("--archives", type=Path, default=ROOT / ".gpu", help="folder of packed data sets")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="where they are unpacked")
    parser.add_argument("--out", type=Path, required=True, help="folder for what comes back")
    parser.add_argument("--runs-dir", type=Path, default=ROOT / "runs" / "gpu", help="folder of the trainings")
    parser.add_argument("--parts", nargs="+", choices=list(LIMITS), default=[p for p in LIMITS if p != "mnist"])
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="RUN", help="trainings that are done already")
    parser.add_argument("--scale-limits", type=float, default=1.0, help="factor on every part's limit")
    parser.add_argument("--rehearse", action="store_true", help="a few images and steps of everything")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.job:
        JOBS[args.job](args)
        return 0
    from gpu_data import unpack_all

    began = time.perf_counter()
    print("data:", unpack_all(args.archives, args.data) or "none, demo images", flush=True)
    ended = {}
    for part in args.parts:
        limit = LIMITS[part] * args.scale_limits
        ended[part] = run_limited(args, part, limit)
        print(f"[{time.perf_counter() - began:.0f} s] {part}: {ended[part]}", flush=True)
        pack_runs(args)
        write_tables(args)
    return 0 if all(end == "done" for end in ended.values()) else 1


def run_limited(args: argparse.Namespace, job: str, limit: float) -> str:
    """One part in a process group of its own: done, failed, or stopped at its limit (trainings then save)."""
    process = start_job(args, job, limit)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return f"stopped after {limit:.0f} s"
    return "done" if process.returncode == 0 else f"failed with {process.returncode}"


def start_job(args: argparse.Namespace, job: str, limit: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--job", job, "--device", args.device, "--out", str(args.out)]
    command += ["--data", str(args.data), "--runs-dir", str(args.runs_dir), *["--rehearse"] * args.rehearse]
    command += ["--leave-out", *args.leave_out]
    env = {**os.environ, "SRAE_DEADLINE": str(time.time() + limit)}
    with open(args.out / "log.txt", "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)


def seconds_left() -> float:
    return float(os.environ.get("SRAE_DEADLINE", "inf")) - time.time()


# ------------------------------------------------------------------- what is found


@contextmanager
def results_of(args: argparse.Namespace) -> Iterator[Callable[..., None]]:
    """A function that adds one row to a table of results-JOB.jsonl at once."""
    with open(args.out / f"rows-{args.job}.jsonl", "a") as file:

        def add(table: str, **row: Any) -> None:
            file.write(json.dumps({"table": table, **row}) + "\n")
            file.flush()
            print(table, row, flush=True)

        yield add


def write_tables(args: argparse.Namespace) -> None:
    """results.json and results.md from the rows so far."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(args.out.glob("rows-*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            tables.setdefault(row.pop("table"), []).append(row)
    (args.out / "results.json").write_text(json.dumps(tables, indent=1) + "\n")
    text = []
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text += [f"## {name}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        text += ["| " + " | ".join(show(row.get(key, "")) for key in columns) + " |" for row in rows] + [""]
    (args.out / "results.md").write_text("\n".join(text))


def show(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value).replace("|", "/").replace("\n", " ")


def pack_runs(args: argparse.Namespace) -> None:
    """Run folders without checkpoints, one tar a folder; weights of the upscalers beside them."""
    for group in sorted(path for path in args.runs_dir.glob("*") if path.is_dir()):
        with tarfile.open(args.out / f"runs_{group.name}.tar.gz", "w:gz", compresslevel=1) as archive:
            for file in sorted(group.rglob("*")):
                kept = file.suffix != ".safetensors" and not file.name.startswith(".") and file.is_file()
                if kept:
                    archive.add(file, file.relative_to(args.runs_dir))
    for run in args.runs_dir.glob("upscalers/*"):
        found = [run / name for name in ("model.safetensors", "checkpoints/best.safetensors") if (run / name).exists()]
        if found:
            shutil.copy(found[0], args.out / f"{run.name}.safetensors")


# -------------------------------------------------------------------------- jobs


def job_tests(args: argparse.Namespace) -> None:
    """The tests over devices, those of this device alone."""
    import re

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-rfE",
        "tests/training/test_on_device.py",
    ]
    with results_of(args) as add:
        began = time.perf_counter()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
        # Side by side where xdist is there (its benchmark plug-in warns about that, and warnings are errors here).
        split = ["-n", "8", "-p", "no:benchmark"] if find_spec("xdist") and (os.cpu_count() or 1) >= 8 else []
        chosen = [*command, "-k", args.device, *split, *(["-x"] if args.rehearse else [])]
        done = subprocess.run(chosen, capture_output=True, text=True, cwd=ROOT, env=env)
        print(done.stdout[-20000:], done.stderr[-3000:], flush=True)
        counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
        add("tests", device=args.device, seconds=time.perf_counter() - began, **counts)
    if done.returncode:
        sys.exit(1)


def job_speed(args: argparse.Namespace) -> None:
    """Rates beside those of other loops; medians of a few seconds each, in turn."""
    import torch

    from benchmark_training import make_material
    from training_contenders import WORKS, take_turn

    on_gpu = args.device != "cpu"
    seconds = 0.2 if args.rehearse else 2.0
    folder = args.out / "material"
    images = 8 if args.rehearse else 685
    make_material(folder, args.data / "isr855", images)
    with results_of(args) as add:
        device = torch.device(args.device)
        add("machine", torch=torch.__version__, cuda=torch.version.cuda, cores=os.cpu_count(),
            device=torch.cuda.get_device_name(device) if on_gpu else "CPU")  # fmt: skip
        peaks = {}
        for precision in ("float32", "tf32", "bfloat16") if on_gpu else ("float32", "bfloat16"):
            peaks[precision] = take_turn(f"peak {precision}", "", "", seconds / 2, device=args.device)["rate"]
            add("matrix product", precision=precision, tflops=peaks[precision] / 1e12)
        ours = [
            f"{kind} {p}" for p in ("float32", "tf32", "auto")[:: 1 if on_gpu else 2] for kind in ("srae", "tensors")
        ]
        loops = [*ours, "resident float32", "resident auto", "workers", "report"]
        for work in WORKS:
            flops = 0.0
            for loop in loops:
                try:
                    found = take_turn(loop, str(folder), work, seconds, images, device=args.device)
                except Exception as error:  # the other rows are still worth having
                    add("failed", work=work, loop=loop, error=f"{type(error).__name__}: {error}")
                    traceback.print_exc()
                    continue
                flops = found.get("flops", flops)
                precision = loop.rpartition(" ")[2].replace("auto", "bfloat16")
                peak = peaks.get(precision, peaks["float32"])
                add("training", work=work, loop=loop, images_per_second=found["rate"], step_ms=1000 * found["step"],
                    vram_mb=found.get("vram"), share_of_peak=found["rate"] * flops / peak,
                    data_mb=found.get("store"))  # fmt: skip
                if on_gpu:
                    torch.cuda.empty_cache()
        measure_upscaling(args, add, seconds)


def measure_upscaling(args: argparse.Namespace, add: Callable[..., None], seconds: float) -> None:
    """Megapixels of the result a second: an image in memory, all of srae's work on it, and the network alone."""
    import numpy as np
    import torch

    import srae
    from srae.checkpoints.loading import load_model
    from srae.checkpoints.shipped import shipped_models
    from srae.device import autocast, float32_kernels

    device = torch.device(args.device)
    draw = np.random.default_rng(0)
    for name in ("x2", "tiny"):
        for side in (96,) if args.rehearse else (384, 1024, 2048):
            image = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
            for precision in ("float32", "bfloat16"):
                model = srae.load_model(name, device=args.device, engine="torch")
                rate = median_rate(lambda: srae.upscale(image, model=model, precision=precision), seconds, device)  # noqa: B023
                net = load_model(shipped_models()[name]).model.to(device)
                batch = torch.rand(1, 3, side, side, device=device)
                dtype = getattr(torch, precision)
                with float32_kernels(device), torch.inference_mode(), autocast(device, dtype):
                    bare = median_rate(lambda: net(batch), seconds, device) if side <= 1024 else None  # noqa: B023
                megapixels = 4 * side * side / 1e6
                add("upscaling", model=name, side=side, precision=precision, mp_per_s=megapixels * rate,
                    network_alone=bare and megapixels * bare)  # fmt: skip


def median_rate(call: Callable[[], Any], seconds: float, device: Any) -> float:
    import torch

    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 50):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return 1 / sorted(times[1:])[len(times[1:]) // 2]


def train_config(
    args: argparse.Namespace, config: str, sets: list[str], group: str, name: str, seconds: float | None = None
) -> dict[str, Any]:
    """As `srae train --config`, within this process; the summary.

    Args:
        seconds: as many epochs as fit into this time.
    """
    import torch

    from srae.config.loading import load_config
    from srae.errors import SraeError
    from srae.report.curves import draw_run
    from srae.runs.writer import claim_run
    from srae.training.prepare import prepare
    from srae.training.run import train

    folder = "mnist" if "mnist_" in config else "isr855"
    if (args.data / folder).exists():
        sets = [*sets, f"data.folder={json.dumps(str(args.data / folder))}"]
    if args.rehearse:
        sets = [*sets, "data.limit=8", "train.epochs=1"] + ["data.val_count=8"] * (folder == "mnist")
    if args.device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    run = claim_run(args.runs_dir / group, name)

    def say(text: str) -> None:
        print(f"{name}: {text}", flush=True)
        run.log(text)

    try:
        session = prepare(load_config(config, sets), torch.device(args.device))
        if seconds is not None and session.step_seconds and not args.rehearse:
            epochs = max(int(seconds / (session.step_seconds * session.steps_per_epoch)), 1)
            sets = [*sets, f"train.epochs={epochs}", f"train.checkpoint_every={epochs}"]
            session.config = load_config(config, sets)
        summary = train(session, run, say)
        draw_run(run.path)
    except SraeError as error:
        run.log(str(error))
        raise
    finally:
        run.close()
    return summary


def add_run(add: Callable[..., None], table: str, name: str, summary: dict[str, Any], began: float) -> None:
    from math import nan

    val, test = summary.get("val") or {}, summary.get("test") or {}
    add(table, run=name, precision=summary["config"]["train"]["precision"], epochs=summary["epochs"],
        seconds_training=summary["seconds"], seconds_all=time.perf_counter() - began,
        images_per_second=summary["images_per_second"], vram_mb=summary["vram_peak_mb"],
        train_loss=summary["train"].get("loss"), val_mse=val.get("mse"), val_psnr=val.get("psnr"),
        val_accuracy=val.get("accuracy"), test_mse=test.get("mse"), test_accuracy=test.get("accuracy"),
        best_epoch=summary["best_epoch"], train_mse=summary["train"].get("mse", nan))  # fmt: skip


def job_reports(args: argparse.Namespace) -> None:
    """As reported, in float32; the 60 epochs of 268 million parameters in TF32."""
    with results_of(args) as add:
        for report, names in REPORT_RUNS.items():
            for name in names:
                if name in args.leave_out:
                    continue
                began, sets = time.perf_counter(), ["train.checkpoint_every=60"]
                if name in ("skip4_pool", "skip3_tanh", "skip4") and args.device != "cpu":
                    sets.append("train.precision=tf32")
                add_run(add, "reports", name, train_config(args, name, sets, f"report_{report}", name), began)


def job_mnist(args: argparse.Namespace) -> None:
    with results_of(args) as add:
        for name in ("mnist_net1", "mnist_net2"):
            if name in args.leave_out:
                continue
            began, sets = time.perf_counter(), ["train.epochs=700", "train.checkpoint_every=50"]
            sets += ["train.precision=tf32"] * (args.device != "cpu")
            add_run(add, "report D", name, train_config(args, f"classifiers/{name}", sets, "report_d", name), began)


def job_upscalers(args: argparse.Namespace) -> None:
    """TF32: 1.5 times as fast as bfloat16 with x2 (docs/results/gpu.md)."""
    names = [name for name in UPSCALERS if name not in args.leave_out]
    with results_of(args) as add:
        for place, name in enumerate(names):
            config, sets = UPSCALERS[name]
            began = time.perf_counter()
            share = min(seconds_left(), 1e6) / (len(names) - place)
            sets = [*sets, *["train.precision=tf32"] * (args.device != "cpu")]
            # What is not training: opening the data, the validation of each epoch, scoring, saving.
            seconds = 0.75 * share - 8
            add_run(add, "upscalers", name, train_config(args, config, sets, "upscalers", name, seconds), began)


JOBS: dict[str, Callable[..., None]] = {
    "tests": job_tests,
    "speed": job_speed,
    "reports": job_reports,
    "upscalers": job_upscalers,
    "mnist": job_mnist,
}

if __name__ == "__main__":
    sys.exit(main())
