#!/usr/bin/env bash
# Pillow: turning a picture and resizing it do not commute, by tens of levels.
# Guess: resize() of the transposed picture is the transposed resize(), but for a level of rounding.
# Happens: 8-bit pictures are resized along rows first, and the result is rounded and cut to 0..255 before the
#   columns are done, so overshoot is lost in one direction only. Mode F has no such step.
# Matters: flips and turns as augmentation or self-ensemble, and low-resolution sets made by Pillow beside
#   ones made in float (torch on float tensors): hard edges differ by 10 to 50 levels.
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
marks = (np.random.default_rng(0).integers(0, 2, (64, 64)) * 255).astype(np.uint8)


def resized(array, side, kernel):
    return np.asarray(Image.fromarray(np.ascontiguousarray(array)).resize((side, side), kernel))


for name, side, least in (("BICUBIC", 128, 15), ("BICUBIC", 32, 8), ("LANCZOS", 128, 40), ("LANCZOS", 32, 20)):
    kernel = Image.Resampling[name]
    apart = np.abs(resized(marks, side, kernel).astype(int) - resized(marks.T, side, kernel).T)
    exact = np.clip(np.rint(resized(marks.astype(np.float32), side, kernel)), 0, 255)
    off = np.abs(resized(marks, side, kernel) - exact)
    turned = resized(marks.T.astype(np.float32), side, kernel).T
    float_apart = np.abs(resized(marks.astype(np.float32), side, kernel) - turned).max()
    print(f"{name} 64 -> {side}: transposed before or after, most {apart.max()} levels apart, "
          f"{(apart > 0).mean():.0%} of pixels; from the float result most {off.max():.0f}; mode F {float_apart:.4f}")
    check(f"{name} to {side} depends on the order by {least} levels or more", apart.max() >= least)
    check("mode F does not", float_apart < 0.01)

sys.exit(1 if failed else 0)
PY
