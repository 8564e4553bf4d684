#!/usr/bin/env bash
# Pillow: halving a picture with Resampling.BOX brightens it by half a level; reduce(2) by an eighth.
# Guess: the mean of four pixels, rounded: no shift, and the same by either call. Happens: rows and columns are
#   rounded one after the other, each time halves go up, a quarter of a level each; reduce() rounds once.
# Matters: low-resolution sets made by BOX are brighter than their originals, at every even scale.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
picture = np.random.default_rng(0).integers(0, 256, (480, 480)).astype(np.uint8)
shift = {}
for scale in (2, 3, 4):
    exact = picture.reshape(480 // scale, scale, 480 // scale, scale).mean((1, 3))
    image = Image.fromarray(picture)
    small = image.resize(exact.shape, Image.Resampling.BOX)
    shift[scale] = float((np.asarray(small) - exact).mean()), float((np.asarray(image.reduce(scale)) - exact).mean())
    print(f"1/{scale}: resize BOX minus exact mean {shift[scale][0]:+.3f} levels, reduce {shift[scale][1]:+.3f}")
check("BOX at 1/2 brightens by half a level", abs(shift[2][0] - 0.5) < 0.03)
check("reduce(2) by an eighth", abs(shift[2][1] - 0.125) < 0.03)
check("BOX at 1/4 by a quarter, at 1/3 not at all", 0.2 < shift[4][0] < 0.3 and abs(shift[3][0]) < 0.03)

sys.exit(1 if failed else 0)
PY
