#!/usr/bin/env bash
# pillow-jxl-plugin: an edited JPEG saved as JPEG XL is the unedited one.
# Guess: Image.save writes the pixels of the image. Happens: for an image opened from a JPEG the plugin packs
#   the original JPEG stream whatever was drawn on it since. Its warning speaks of a "lossless" image only.
# Matters: retouching, masking of faces or plates, any in-place edit before archiving as .jxl is undone.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'pillow-jxl-plugin==1.3.8' 'numpy==2.4.6'
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

import numpy as np
import pillow_jxl  # noqa: F401  (registers the format)
from PIL import Image

print("pillow-jxl-plugin", importlib.metadata.version("pillow-jxl-plugin"))
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
Image.fromarray(noise).save("shot.jpg", quality=90)


def saved(image, **how):
    file = io.BytesIO()
    image.save(file, "JXL", **how)
    return np.asarray(Image.open(file)).astype(int)


image = Image.open("shot.jpg")
original = np.asarray(image).astype(int)
image.paste((0, 0, 0), (0, 0, 64, 64))  # black out everything
print("mean level before", round(float(original.mean()), 1), "- after blacking out", float(np.asarray(image).mean()))
for how in ({}, {"lossless": True}, {"lossless": True, "lossless_jpeg": False}):
    print(f"saved with {how}: mean level read back", round(float(saved(image, **how).mean()), 1))
check("the file shows the unedited picture", np.abs(saved(image, lossless=True) - original).mean() < 2)
check("lossless_jpeg=False writes the edited one", saved(image, lossless=True, lossless_jpeg=False).max() == 0)
check("so does a copy() before the edit is saved", saved(image.copy(), lossless=True).max() == 0)

sys.exit(1 if failed else 0)
PY
