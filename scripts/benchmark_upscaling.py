"""How fast srae enlarges images, beside the same networks in other hands.

    python scripts/benchmark_upscaling.py            # all cores, about five minutes on two
    python scripts/benchmark_upscaling.py --threads 1 --sides 384 --rounds 5

Needs onnx and onnxruntime beside srae; without them their rows are left out.
Every contender is a process of its own with the same number of threads; they
take turns, round by round, so that a busy machine slows all of them.  Tables in
Markdown go to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from upscaling_contenders import load, make_graph

MODELS = ("x2", "tiny")
CONTENDERS = {
    "srae": "srae, as it comes (precision auto)",
    "srae float32": "srae, `--precision float32`",
    "torch": "torch eager, float32, whole image",
    "torch tiles": "torch eager, float32, tiles of 512 with 16 around",
    "ort export": "onnxruntime, graph as exported (cubic Resize)",
    "ort conv": "onnxruntime, bicubic rewritten as a convolution",
    "Pillow": "Pillow LANCZOS (no network)",
}
COMMANDS = ("srae", "srae float32", "torch", "ort export", "ort conv", "Pillow")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
SRAE = [sys.executable, "-c", "import sys; from srae.cli import main; sys.exit(main())"]
CONTENDER = str(Path(__file__).with_name("upscaling_contenders.py"))
LARGE = 3072
"""Side of the image whose peak memory is compared."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for every contender (default: all)")
    parser.add_argument("--sides", type=int, nargs="+", default=[384, 1024], help="of the images (default: 384 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender (default: 3)")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = make_material(folder, [*args.sides, LARGE])
        describe_machine(args.threads)
        time_startup(folder, 2 * args.rounds + 1)
        time_in_process(folder, args, found)
        time_commands(folder, args, found)
        measure_memory(folder, found)
        compare_precisions()
    print(f"\nMeasured in {time.perf_counter() - start:.0f} s.")


# ------------------------------------------------------------------------ material


def make_material(folder: Path, sides: Iterable[int]) -> list[str]:
    """Images and ONNX graphs; returns the contenders that can run here."""
    import numpy as np
    from PIL import Image
    from skimage.data import astronaut

    for side in {*sides, 16}:
        times = -(-side // 512)
        pixels = np.tile(astronaut(), (times, times, 1))[:side, :side]
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{side}.png")
    try:
        import onnxruntime  # noqa: F401

        for name in MODELS:
            for base in ("export", "conv"):
                (folder / f"{name} ort {base}.onnx").write_bytes(make_graph(name, base))
    except ImportError as error:
        print(f"onnxruntime is left out: {error}", file=sys.stderr)
        return [name for name in CONTENDERS if not name.startswith("ort")]
    return list(CONTENDERS)


def environment(contender: str) -> dict[str, str]:
    """The command `srae upscale` asks torch for huge pages; the others run with torch's defaults."""
    return {**os.environ, "THP_MEM_ALLOC_ENABLE": str(int(contender.startswith("srae")))}


# ---------------------------------------------------------------------- measuring


def time_in_process(folder: Path, args: argparse.Namespace, found: list[str]) -> None:
    """Bytes to bytes, without start-up and files."""
    import numpy as np

    workers = {}
    for contender in found:
        command = [sys.executable, CONTENDER, "serve", contender, str(folder), str(args.threads)]
        pipe = subprocess.PIPE
        workers[contender] = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environment(contender)
        )

    def ask(contender: str, name: str, side: int, *, keep: bool = False) -> float:
        worker = workers[contender]
        print(json.dumps([name, side, keep]), file=worker.stdin)
        return float(worker.stdout.readline())

    for name in MODELS:
        for side in args.sides:
            for contender in found:  # warm
                ask(contender, name, 16)
                ask(contender, name, min(args.sides), keep=side == min(args.sides))
            rounds = [{contender: ask(contender, name, side) for contender in found} for _ in range(args.rounds)]
            print(f"\n## In the process: `{name}`, {side}x{side} -> {2 * side}x{2 * side}\n")
            print_rates({c: [4 * side**2 / 1e6 / r[c] for r in rounds] for c in found})
        side = min(args.sides)
        images = {c: np.load(folder / f"{c} {name} {side}.npy").astype(int) for c in found if c != "Pillow"}
        wanted = images["srae float32"]
        off = {c: int(np.abs(p - wanted)[8:-8, 8:-8].max()) for c, p in images.items() if c != "srae float32"}
        print(f"\nThe same image? Largest difference from `srae float32`, of 255, border of 8 left out: {off}")
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()


def time_commands(folder: Path, args: argparse.Namespace, found: list[str]) -> None:
    for name in MODELS:
        for side in args.sides:
            names = [contender for contender in COMMANDS if contender in found]
            rounds = [{c: run_command(folder, c, name, side)[0] for c in names} for _ in range(args.rounds)]
            print(f"\n## The whole command: `{name}`, {side}x{side} PNG -> {2 * side}x{2 * side} PNG\n")
            print("| | seconds, median | range | megapixels/s |\n|---|---|---|---|")
            for c in names:
                times = sorted(r[c] for r in rounds)
                middle = statistics.median(times)
                rate = 4 * side**2 / 1e6 / middle
                print(f"| {CONTENDERS[c]} | {middle:.2f} | {times[0]:.2f} – {times[-1]:.2f} | {rate:.2f} |", flush=True)


def measure_memory(folder: Path, found: list[str]) -> None:
    print(f"\n## Peak memory of the command: `tiny`, {LARGE}x{LARGE} -> {2 * LARGE}x{2 * LARGE}, PNG\n")
    print("| | peak, MB | seconds |\n|---|---|---|")
    for contender in COMMANDS:
        if contender in found:
            seconds, peak = run_command(folder, contender, "tiny", LARGE)
            print(f"| {CONTENDERS[contender]} | {peak:.0f} | {seconds:.1f} |", flush=True)


def run_command(folder: Path, contender: str, name: str, side: int) -> tuple[float, float]:
    """Seconds and peak memory in MB of a fresh process that reads an image and writes one."""
    source, target = str(folder / f"{side}.png"), str(folder / "out.png")
    if contender.startswith("srae"):
        precision = "float32" if contender.endswith("float32") else "auto"
        command = [*SRAE, "upscale", source, "-o", target, "--model", name, "--precision", precision, "--overwrite"]
    else:
        command = [sys.executable, CONTENDER, "once", contender, str(folder), name, source, target]
    return run_child(command, environment(contender))


def run_child(command: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> tuple[float, float]:
    start = time.perf_counter()
    child = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"exit code {child.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def time_startup(folder: Path, rounds: int) -> None:
    runs = folder / "runs"
    for number in range(50):
        write_run(runs / f"run{number:02}", number)
    small = ["upscale", "16.png", "-o", "small.png", "--model", "tiny", "--overwrite"]
    commands = {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        '`python -c "import torch"`': [sys.executable, "-c", "import torch"],
        "`srae --help`": [*SRAE, "--help"],
        "`srae upscale --help`": [*SRAE, "upscale", "--help"],
        "`srae runs`, 50 runs": [*SRAE, "runs"],
        "`srae compare`, 50 runs": [*SRAE, "compare", *(f"runs/run{number:02}" for number in range(50))],
        "`srae upscale`, 16x16": [*SRAE, *small],
    }
    for command in commands.values():  # bytecode is written, files are in memory
        run_child(command, cwd=folder)
    turns = [{key: run_child(command, cwd=folder)[0] for key, command in commands.items()} for _ in range(rounds)]
    torch = statistics.median(turn['`python -c "import torch"`'] for turn in turns)
    print(f"\n## Start-up\n\n| command | ms, median of {rounds} | range | of `import torch` |\n|---|---|---|---|")
    for key in commands:
        found = sorted(1000 * turn[key] for turn in turns)
        middle = statistics.median(found)
        print(f"| {key} | {middle:.0f} | {found[0]:.0f} – {found[-1]:.0f} | {middle / 1000 / torch:.2f} |")
    sys.stdout.flush()


def write_run(folder: Path, number: int) -> None:
    """As a training leaves it."""
    from srae.runs.layout import COLUMNS

    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"model: {{name: residual, width: {8 + number}}}\nseed: 0\n")
    lines = [",".join(COLUMNS)]
    for epoch in range(1, 51):
        values = {"epoch": epoch, "step": epoch, "train_mse": 0.1 / epoch, "val_mse": 0.2 / epoch}
        lines.append(",".join(str(values.get(column, "")) for column in COLUMNS))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    figures = [30 + (number + i) % 7 / 10 for i in range(170)]
    lines = ["split,name,psnr", *(f"val,{i}.png,{value}" for i, value in enumerate(figures))]
    (folder / "images.csv").write_text("\n".join(lines) + "\n")
    document = {
        "version": 1, "run": folder.name, "status": "done", "data": {"name": "toy", "fingerprint": "0"},
        "protocol": {"channels": "RGB", "rounded": True, "border": 0, "baseline": "returning the input"},
        "parameters": 1234, "epochs": 50, "train": {"mse": 0.03}, "test": None,
        "val": {"mse": 0.001, "psnr": statistics.fmean(figures), "ssim": 0.9}, "identity": {"mse": 0.05, "psnr": 13.0},
        "seconds": 6.0, "images_per_second": 10.0, "rss_peak_mb": 100.0, "vram_peak_mb": None,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(document))


def compare_precisions() -> None:
    """What bfloat16 changes, on images that scikit-image ships; shrunk by two, enlarged again."""
    import numpy as np
    from skimage import data

    from srae.images.image import to_pixels
    from srae.images.resample import shrink
    from srae.upscaling.backends.torch import from_trained
    from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels

    print("\n## What bfloat16 changes\n\nRGB, 8 bits, against the image that was shrunk by two (bicubic).\n")
    print("| model | image | float32, dB | bfloat16, dB | change, dB | largest change of a pixel, of 255 |")
    print("|---|---|---|---|---|---|")
    for name in MODELS:
        network = from_trained(load(name))
        for image in ("astronaut", "chelsea", "coffee", "rocket", "camera", "text", "page"):
            pixels = getattr(data, image)()
            pixels = pixels if pixels.ndim == 3 else pixels[:, :, None].repeat(3, 2)
            pixels = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2, :3]
            low = to_pixels(shrink(pixels.transpose(2, 0, 1) / np.float32(255), 2), np.uint8)
            found = [
                upscale_pixels(low, [network], UpscaleOptions(precision=p)).astype(int) for p in ("float32", "bfloat16")
            ]
            before, after = (10 * np.log10(255**2 / np.mean((pixels - large) ** 2)) for large in found)
            most = np.abs(found[0] - found[1]).max()
            print(f"| {name} | {image} | {before:.3f} | {after:.3f} | {after - before:+.4f} | {most} |")


def print_rates(rates: dict[str, list[float]]) -> None:
    """Megapixels of the result per second."""
    fastest = statistics.median(rates.get("ort conv", [0])), statistics.median(rates.get("ort export", [0]))
    print("| | megapixels/s, median | range | / exported graph | / rewritten graph |\n|---|---|---|---|---|")
    for contender, found in rates.items():
        middle = statistics.median(found)
        ratios = " | ".join(f"{middle / other:.2f}" if other else "–" for other in reversed(fastest))
        print(
            f"| {CONTENDERS[contender]} | {middle:.2f} | {min(found):.2f} – {max(found):.2f} | {ratios} |", flush=True
        )


def describe_machine(threads: int) -> None:
    """What the figures depend on; no name of a machine."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    flags = next((line.split(":")[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    kind = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    found = ", ".join(flag for flag in FLAGS if flag in flags) or "no flags known"
    print("# Upscaling\n")
    print(f"{platform.machine()} ({kind or 'unknown'}; {found}), {os.cpu_count()} cores, {threads} threads each.")
    versions = []
    for package in ("srae", "torch", "onnxruntime", "onnx", "pillow", "numpy"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    print(f"Python {platform.python_version()}, {', '.join(versions)}.", flush=True)


if __name__ == "__main__":
    main()
