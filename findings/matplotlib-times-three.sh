#!/usr/bin/env bash
# matplotlib: imshow blurs a picture shown at 3 times its size, but not at 2 or 4 times.
# Guess: pixels are shown as they are (nearest) when enlarged, as one sees at x4. Happens: the default
#   interpolation "auto" is nearest only for x1, x2 and above x3; at 1.5, 2.5 and exactly 3 it is a Hanning window.
# Matters: figures that compare a x3 super-resolution with its input show the input smoothed, the x2 and x4
#   ones do not; interpolation="nearest" is needed for a fair figure.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'matplotlib==3.11.2' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import io

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

print("matplotlib", matplotlib.__version__)
checks = (np.indices((20, 20)).sum(0) % 2 * 255).astype(np.uint8)


def greys(scale, **how):
    side = round(20 * scale)
    figure = plt.figure(figsize=(side / 100, side / 100), dpi=100)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.axis("off")
    axes.imshow(checks, cmap="gray", vmin=0, vmax=255, **how)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    plt.close(figure)
    shown = np.asarray(Image.open(file).convert("L"))
    assert shown.shape == (side, side)
    return len(np.unique(shown))


count = {scale: greys(scale) for scale in (1, 1.5, 2, 2.5, 3, 3.5, 4)}
for scale, different in count.items():
    print(f"black and white squares shown at x{scale}: {different} different greys")
check("x1, x2, x3.5 and x4 show black and white only", all(count[s] == 2 for s in (1, 2, 3.5, 4)))
check("x1.5, x2.5 and x3 are blurred", all(count[s] > 5 for s in (1.5, 2.5, 3)))
check('interpolation="nearest" is not, at x3', greys(3, interpolation="nearest") == 2)

sys.exit(1 if failed else 0)
PY
