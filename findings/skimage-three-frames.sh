#!/usr/bin/env bash
# scikit-image: a stack of 3 or 4 grey frames is read as one colour picture, one of 2 or 5 as a stack.
# Guess: imread returns what the file holds, frames first. Happens: if the last axis is not 3 or 4 and the
#   third from last is, that axis is moved to the end, whatever the TIFF says of its pages (tifffile, Pillow
#   and OpenCV see grey pages).
# Matters: bursts and short clips for multi-frame super-resolution: the code works until a clip has 3 frames.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-image==0.26.0' 'tifffile==2026.3.3' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import skimage
import tifffile
from PIL import Image
from skimage import io

print("scikit-image", skimage.__version__, "tifffile", tifffile.__version__)
shapes = {}
for frames in (2, 3, 4, 5):
    tifffile.imwrite("clip.tif", np.zeros((frames, 20, 30), np.uint8), photometric="minisblack")
    image = Image.open("clip.tif")
    shapes[frames] = io.imread("clip.tif").shape
    print(f"{frames} grey frames of 20 x 30: scikit-image {shapes[frames]}, tifffile {tifffile.imread('clip.tif').shape}, "
          f"Pillow {image.n_frames} pages of mode {image.mode}")
    check("the file has that many grey pages", image.n_frames == frames and image.mode == "L")
check("2 and 5 frames stay frames", shapes[2] == (2, 20, 30) and shapes[5] == (5, 20, 30))
check("3 and 4 frames become channels", shapes[3] == (20, 30, 3) and shapes[4] == (20, 30, 4))

sys.exit(1 if failed else 0)
PY
