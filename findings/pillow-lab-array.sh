#!/usr/bin/env bash
# Pillow: the array of a Lab image has other numbers than its pixels.
# Guess: np.asarray(image)[y, x] is image.getpixel((x, y)), as in every other 8-bit mode.
# Happens: getpixel() and split() give a and b with neutral at 128, np.asarray() and tobytes() with neutral at 0
#   (two's complement, as TIFF stores them). fromarray() takes the second kind back, merge() the first.
# Matters: statistics, augmentation or training on Lab channels taken by array are wrong without an error: neutral grey
#   becomes the extreme value 0, and a small step across neutral is one of 255.
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
from PIL import Image, ImageCms

print("Pillow", PIL.__version__)
rgb = Image.new("RGB", (3, 1))
for x, color in enumerate([(128, 128, 128), (128, 127, 128), (0, 0, 255)]):
    rgb.putpixel((x, 0), color)
lab = ImageCms.profileToProfile(
    rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
)
pixels = [lab.getpixel((x, 0)) for x in range(3)]
array = np.asarray(lab)[0].tolist()
print("getpixel", pixels)
print("asarray ", array)
print("split   ", [tuple(np.asarray(band)[0].tolist()) for band in lab.split()])
check("a and b of grey are 128 by getpixel", pixels[0][1:] == (128, 128))
check("and 0 in the array", array[0][1:] == [0, 0])
check("bands from split() agree with getpixel", np.asarray(lab.split()[1])[0, 0] == 128)
check("all pixels differ by 128, modulo 256", all((p - q) % 256 == 128 for a, b in zip(pixels, array) for p, q in zip(a[1:], b[1:])))
merged = Image.merge("LAB", lab.split())
check("merge(split()) is the same image", merged.tobytes() == lab.tobytes())

sys.exit(1 if failed else 0)
PY
