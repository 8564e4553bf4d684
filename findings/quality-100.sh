#!/usr/bin/env bash
# quality=100: exact in one library, far off in the other, the other way round by format.
# Guess: 100 means near lossless everywhere, off by a few levels at most. Happens: AVIF at 100 is exact by
#   OpenCV and off by over 100 levels by Pillow (it halves the colour planes; with 4:4:4 off by 3). WebP at 100
#   is off by over 100 levels by OpenCV, while the same call without a quality writes it lossless.
# Matters: whoever stores training pictures "at full quality" may have halved their colour resolution.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import io

import cv2
import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__)
picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def pillow(kind, **how):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **how)
    return int(np.abs(np.asarray(Image.open(file)).astype(int) - picture).max())


def opencv(ending, *how):
    stream = cv2.imencode(ending, picture[..., ::-1], list(how))[1]
    return int(np.abs(cv2.imdecode(stream, cv2.IMREAD_UNCHANGED)[..., ::-1].astype(int) - picture).max())


off = {
    "AVIF by Pillow, quality 100": pillow("AVIF", quality=100),
    "AVIF by Pillow, quality 100 and 4:4:4": pillow("AVIF", quality=100, subsampling="4:4:4"),
    "AVIF by OpenCV, quality 100": opencv(".avif", cv2.IMWRITE_AVIF_QUALITY, 100),
    "WebP by Pillow, quality 100": pillow("WEBP", quality=100),
    "WebP by OpenCV, quality 100": opencv(".webp", cv2.IMWRITE_WEBP_QUALITY, 100),
    "WebP by OpenCV, no quality": opencv(".webp"),
}
for name, most in off.items():
    print(f"{name:38}: most {most} levels off")
check("AVIF: OpenCV exact, Pillow off by over 100", off["AVIF by OpenCV, quality 100"] == 0 and off["AVIF by Pillow, quality 100"] > 100)
check("even with 4:4:4 Pillow's AVIF is not exact", 0 < off["AVIF by Pillow, quality 100 and 4:4:4"] < 10)
check("WebP by OpenCV: 100 is off by over 100, no quality is exact", off["WebP by OpenCV, quality 100"] > 100 and off["WebP by OpenCV, no quality"] == 0)

sys.exit(1 if failed else 0)
PY
