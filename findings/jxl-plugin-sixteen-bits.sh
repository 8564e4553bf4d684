#!/usr/bin/env bash
# pillow-jxl-plugin: a 16-bit colour JPEG XL opens as 8 bits, a grey one keeps its 16.
# Guess: as grey opens as I;16, colour is refused, as Pillow has no mode for it, or a warning tells.
# Happens: mode RGB, 256 levels, no warning; 16-bit grey has all of its levels.
# Matters: archives of scans and camera images in JPEG XL lose half of their bits in any Pillow program.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'pillow-jxl-plugin==1.3.8' 'imagecodecs==2026.3.6' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import importlib.metadata
import io
import warnings

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401  (registers the format)
from PIL import Image

warnings.simplefilter("error")
print("pillow-jxl-plugin", importlib.metadata.version("pillow-jxl-plugin"))
grey = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
found = {}
for name, pixels in (("grey", grey), ("colour", np.repeat(grey[:, :, None], 3, 2))):
    data = imagecodecs.jpegxl_encode(pixels, lossless=True)
    kept = imagecodecs.jpegxl_decode(data)
    image = Image.open(io.BytesIO(data))
    levels = np.asarray(image)
    print(name, "in the file:", kept.dtype, len(np.unique(kept)), "levels; opened:", image.mode, len(np.unique(levels)))
    found[name] = image.mode, len(np.unique(levels)), np.array_equal(kept, pixels)
check("both files hold 4,096 levels", found["grey"][2] and found["colour"][2])
check("grey opens as I;16 with all of them", found["grey"][:2] == ("I;16", 4096))
check("colour opens as RGB with 256, without a warning", found["colour"][:2] == ("RGB", 256))

sys.exit(1 if failed else 0)
PY
