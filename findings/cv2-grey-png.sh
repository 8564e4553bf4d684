#!/usr/bin/env bash
# OpenCV: IMREAD_GRAYSCALE of a PNG is half a level darker than of the same picture as BMP or TIFF.
# Guess: grey is grey, rounded the same way for all lossless formats. Happens: for PNG the conversion is done
#   by the PNG library, which cuts the fraction off; for the others by OpenCV, which rounds. Half of all pixels
#   differ by 1, always down, and from cvtColor of the colour picture too.
# Matters: PSNR on grey pictures between files of two formats stops at 51 dB for identical pictures.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
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

print("OpenCV", cv2.__version__)
picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
exact = picture @ np.array([0.114, 0.587, 0.299])  # blue, green, red
converted = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
grey = {}
for ending in ("png", "bmp", "tif"):
    cv2.imwrite("a." + ending, picture)
    assert np.array_equal(cv2.imread("a." + ending), picture)
    grey[ending] = cv2.imread("a." + ending, cv2.IMREAD_GRAYSCALE).astype(int)
    print(f"{ending}: grey minus exact {(grey[ending] - exact).mean():+.3f} levels on average; "
          f"{(grey[ending] != converted).mean():.1%} of pixels differ from cvtColor")
print("PSNR between the grey of the PNG and of the BMP:", round(cv2.PSNR(grey["png"].astype(np.uint8), grey["bmp"].astype(np.uint8)), 2), "dB")
check("PNG: half a level darker", abs((grey["png"] - exact).mean() + 0.5) < 0.02)
check("BMP and TIFF: not", all(abs((grey[e] - exact).mean()) < 0.02 for e in ("bmp", "tif")))
check("PNG differs from BMP in 45 to 55 % of pixels, by one level down", 0.45 < (grey["png"] != grey["bmp"]).mean() < 0.55
      and set(np.unique(grey["png"] - grey["bmp"])) == {-1, 0})

sys.exit(1 if failed else 0)
PY
