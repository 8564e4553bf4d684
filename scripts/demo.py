"""The tour behind `make demo`: train two networks, enlarge an image, compare.

Every step is a command that you can type yourself; it is printed before it runs.
All of it lands in a new folder `demo` (then `demo-2`, ...), on images that
scikit-image ships: no download, no GPU, a few minutes on two cores.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from srae.data.demo import demo_image
from srae.images.image import TaggedImage, write_image

BUILT_IN = ("--set", "data.name=demo")


def main() -> int:
    folder = _new_folder("demo")
    image = folder / "image.png"
    write_image(image, TaggedImage(demo_image()))
    runs = ("--runs-dir", str(folder / "runs"))
    # three channels like the others, so that all stand in one table
    _run("train", "--config", "cnn4_tanh", *BUILT_IN, "--set", "data.channels=RGB", *runs)
    _run(
        "train",
        "--config",
        "residual",
        *BUILT_IN,
        "--set",
        "train.epochs=20",
        "--set",
        "data.crops_per_picture=4",
        *runs,
    )
    _run("train", "--config", "identity", *BUILT_IN, *runs)
    enlarged = folder / "image_x2.png"
    _run("upscale", str(image), "-o", str(enlarged), "--scale", "2", *runs)
    _run("compare", "cnn4_tanh", "residual", "identity", *runs)
    _run("report", "cnn4_tanh", "residual", "identity", *runs, "-o", str(folder / "report"))
    print(
        f"""
Everything lies in {folder}/:
  runs/cnn4_tanh/    a published autoencoder: curves.png, samples/, metrics.csv, summary.json
  runs/residual/     a small network that starts as the identity
  {image.name} and {enlarged.name}: before and after
  report/            report.html to open in a browser; its figures and tables"""
    )
    return 0


def _new_folder(name: str) -> Path:
    for number in range(1, 1000):
        folder = Path(name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            folder.mkdir()
            return folder
    raise SystemExit(f"a thousand folders are called {name}: remove some")


def _run(*arguments: str) -> None:
    print(f"\n$ srae {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "srae", *arguments], check=True)


if __name__ == "__main__":
    raise SystemExit(main())
