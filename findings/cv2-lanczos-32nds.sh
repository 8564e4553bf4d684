#!/usr/bin/env bash
# OpenCV 5: warpAffine with LANCZOS4 moves a picture by 32nds of a pixel only; LINEAR and CUBIC do not.
# Guess: the best kernel has at least the precision of the others. Happens: a move by 0.01 pixel is exact with
#   LINEAR, and no move at all with LANCZOS4; 0.02 is moved by 1/32.
# Matters: aligning frames, or making sub-pixel shifted pictures for multi-frame super-resolution.
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
picture = np.random.default_rng(0).random((32, 32)).astype(np.float32)


def moved(by, how):
    matrix = np.array([[1, 0, by], [0, 1, 0]], np.float64)
    return cv2.warpAffine(picture, matrix, (32, 32), flags=how, borderMode=cv2.BORDER_REFLECT)


shifts = np.arange(257) / 256
kinds = {}
for name in ("INTER_LINEAR", "INTER_CUBIC", "INTER_LANCZOS4"):
    how = getattr(cv2, name)
    kinds[name] = len({moved(s, how).tobytes() for s in shifts})
    print(f"{name:14}: {kinds[name]} different pictures from {len(shifts)} moves of 0 to 1 pixel;",
          "a move by 0.01 changes", int((moved(0.01, how) != picture).sum()), "of", picture.size, "pixels")
check("LINEAR and CUBIC tell all 257 moves apart", kinds["INTER_LINEAR"] == kinds["INTER_CUBIC"] == 257)
check("LANCZOS4 knows 33", kinds["INTER_LANCZOS4"] == 33)
check("LANCZOS4 by 0.01 pixel is the picture itself", np.array_equal(moved(0.01, cv2.INTER_LANCZOS4), picture))
check("LANCZOS4 by 0.02 is LANCZOS4 by 1/32", np.array_equal(moved(0.02, cv2.INTER_LANCZOS4), moved(1 / 32, cv2.INTER_LANCZOS4)))

sys.exit(1 if failed else 0)
PY
