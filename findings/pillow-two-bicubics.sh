#!/usr/bin/env bash
# Pillow has two bicubic kernels under one name.
# Guess: Resampling.BICUBIC is one kernel, so moving a picture by half a pixel gives the same picture by
#   either call. Happens: resize() uses the cubic with a = -0.5, transform() and rotate() the one with a = -1.
# Matters: shifted or turned copies made for training are sharper, with more ringing, than resized ones.
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
BICUBIC = Image.Resampling.BICUBIC


def by_transform(array):  # the picture half a pixel to the right of each pixel
    image = Image.fromarray(array)
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0.5, 0, 1, 0), BICUBIC))[:, :-1]


def by_resize(array):
    image = Image.fromarray(array)
    w, h = image.size
    return np.asarray(image.resize((w - 1, h), BICUBIC, box=(0.5, 0, w - 0.5, h)))


dot = np.zeros((5, 12), np.float32)
dot[:, 6] = 1
rows = {"transform": by_transform(dot)[2], "resize": by_resize(dot)[2]}
a = {}
for name, row in rows.items():
    print(f"one dot moved by half a pixel, {name:9}:", row[3:9].tolist())
    a[name] = row.min() / 0.125  # Keys' cubic weighs a sample 1.5 pixels away by a / 8
    print("   so a =", float(a[name]))
check("resize is the cubic with a = -0.5", abs(a["resize"] + 0.5) < 1e-6)
check("transform is the cubic with a = -1", abs(a["transform"] + 1.0) < 1e-6)

random = np.random.default_rng(0)
stripes = np.kron(random.integers(60, 190, (32, 32)), np.ones((2, 2))).astype(np.uint8)
apart = np.abs(by_transform(stripes)[2:-2, 4:-4].astype(int) - by_resize(stripes)[2:-2, 4:-4])
print("8-bit picture of small squares, levels between the two: mean", round(float(apart.mean()), 2), "most", apart.max())
check("8-bit results differ by 5 levels or more", apart.max() >= 5)

sys.exit(1 if failed else 0)
PY
