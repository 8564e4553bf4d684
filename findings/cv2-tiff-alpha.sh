#!/usr/bin/env bash
# OpenCV: IMREAD_UNCHANGED multiplies the colours of a TIFF by its alpha; those of a PNG it leaves.
# Guess: "unchanged" returns the stored samples in both. Happens: an 8-bit RGBA TIFF with plain (unassociated)
#   alpha comes back premultiplied, its colours darkened for good; the PNG of the same pixels, and the 16-bit
#   TIFF, come back as stored.
# Matters: cut-outs enlarged from TIFF get dark fringes, and pairs PNG/TIFF of one picture do not match.
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
import tifffile
from PIL import Image

print("OpenCV", cv2.__version__, "tifffile", tifffile.__version__)
stored = np.zeros((4, 4, 4), np.uint8)
stored[...] = (200, 120, 40, 64)  # an orange, three quarters transparent
Image.fromarray(stored).save("a.png")
tifffile.imwrite("a.tif", stored, photometric="rgb", extrasamples=["unassalpha"])
tifffile.imwrite("b.tif", stored.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"])


def read(name):
    return cv2.imread(name, cv2.IMREAD_UNCHANGED)[0, 0, [2, 1, 0, 3]].tolist()


print("stored:", stored[0, 0].tolist())
for name in ("a.png", "a.tif", "b.tif"):
    print(name, "by OpenCV:", read(name), "by", *(("tifffile:", tifffile.imread(name)[0, 0].tolist()) if name != "a.png" else ("Pillow:", np.asarray(Image.open(name))[0, 0].tolist())))
check("the PNG is as stored", read("a.png") == [200, 120, 40, 64])
check("the 8-bit TIFF is multiplied by alpha 64/255", read("a.tif") == [50, 30, 10, 64])
check("the 16-bit TIFF is as stored", read("b.tif") == [v * 257 for v in (200, 120, 40, 64)])

sys.exit(1 if failed else 0)
PY
