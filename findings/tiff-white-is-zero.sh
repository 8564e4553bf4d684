#!/usr/bin/env bash
# TIFF with WhiteIsZero: Pillow and OpenCV turn 8-bit pictures over, but not 16-bit ones.
# Guess: a reader either inverts WhiteIsZero pictures (as the tag asks) or never does. Happens: both invert
#   8 bits and leave 16 bits as a negative; OpenCV without IMREAD_UNCHANGED inverts the 16 bits after all;
#   tifffile never inverts.
# Matters: scans and X-rays: a 16-bit copy of a set trains on negatives beside the 8-bit copy.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'tifffile==2026.3.3' 'numpy==2.4.6'
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
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__, "tifffile", tifffile.__version__)
for bits, kind in ((8, np.uint8), (16, np.uint16)):
    most = 2**bits - 1
    stored = np.tile(np.array([0, most // 4, most], kind), (4, 2))  # white, light grey, black
    tifffile.imwrite("white.tif", stored, photometric="miniswhite")
    right = most - stored
    found = {}
    for name, got in (
        ("Pillow", np.asarray(Image.open("white.tif"))),
        ("OpenCV unchanged", cv2.imread("white.tif", cv2.IMREAD_UNCHANGED)),
        ("tifffile", tifffile.imread("white.tif")),
    ):
        found[name] = "inverted" if np.array_equal(got, right) else "as stored" if np.array_equal(got, stored) else "other"
        print(f"{bits} bits, {name:16}: white is read as {got[0, 0]}, black as {got[0, 2]}: {found[name]}")
    plain = cv2.imread("white.tif")[..., 0]
    print(f"{bits} bits, OpenCV 8-bit    : white is read as {plain[0, 0]}, black as {plain[0, 2]}")
    check(f"Pillow and OpenCV {'invert' if bits == 8 else 'leave'} {bits} bits",
          found["Pillow"] == found["OpenCV unchanged"] == ("inverted" if bits == 8 else "as stored"))
    check("tifffile leaves it", found["tifffile"] == "as stored")
    check("OpenCV reading to 8 bits inverts", plain[0, 0] == 255 and plain[0, 2] == 0)

sys.exit(1 if failed else 0)
PY
