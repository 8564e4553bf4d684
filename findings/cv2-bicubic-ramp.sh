#!/usr/bin/env bash
# OpenCV: bicubic enlargement of a straight ramp is not straight.
# Guess: cubic interpolation, better than linear, surely keeps a linear gradient. Happens: with OpenCV's
#   a = -0.75 a slope of 8 levels a pixel becomes 9.5 and 6.5 in turn (x2), or 6.1 to 10.6 (x4). Pillow's
#   resize (a = -0.5) keeps the ramp, and so does plain linear.
# Matters: a baseline or a network input made by this bicubic ripples in every smooth sky. The levels are off
#   by little (a 20th of a step), the local slope by up to 33 %: gradient losses and edge filters see it.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'opencv-python-headless==5.0.0.93' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import cv2
import numpy as np
import PIL
from PIL import Image

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)
ramp = np.tile(np.arange(32, dtype=np.float32) * 8, (32, 1))
for scale in (2, 4):
    side = 32 * scale
    middle = slice(8 * scale, 24 * scale)
    straight = ((np.arange(side) + 0.5) / scale - 0.5) * 8
    for name, large in (
        ("OpenCV", cv2.resize(ramp, (side, side), interpolation=cv2.INTER_CUBIC)),
        ("Pillow", np.asarray(Image.fromarray(ramp).resize((side, side), Image.Resampling.BICUBIC))),
        ("OpenCV linear", cv2.resize(ramp, (side, side), interpolation=cv2.INTER_LINEAR)),
    ):
        row = large[side // 2]
        steps = sorted({round(float(s) * scale, 3) for s in np.diff(row[middle])})
        off = float(np.abs(row - straight)[middle].max())
        print(f"x{scale} {name:13} steps, as levels a source pixel: {steps}; most {off:.4f} levels off the line")
        if name == "OpenCV":
            check("OpenCV's bicubic bends the ramp", off > 0.3 and steps[-1] - steps[0] >= 3)
        else:
            check(name + " keeps it straight", off < 1e-3)

sys.exit(1 if failed else 0)
PY
