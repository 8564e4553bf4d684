#!/usr/bin/env bash
# pillow-heif: white of a 10-bit HEIC is 65472 of 65535, of a 12-bit one 65520.
# Guess: RGB;16 holds samples scaled to 16 bits, so white is 65535.
# Happens: samples are shifted left by 6 or 4 bits, and the lowest bits stay 0; the 8-bit reader of the same file
#   gives 255.
# Matters: whites of phone photographs turn grey by a quarter of a level of 255, and "is it clipped?" never holds.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'pillow-heif==1.8.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import io

import numpy as np
import pillow_heif
from PIL import Image

print("pillow-heif", pillow_heif.__version__)
pillow_heif.register_heif_opener()
white = np.full((64, 64, 3), 65535, np.uint16)
most = {}
for bits in (10, 12):
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    file = io.BytesIO()
    pillow_heif.encode("RGB;16", (64, 64), white.tobytes(), file, quality=-1)
    deep = pillow_heif.open_heif(io.BytesIO(file.getvalue()), convert_hdr_to_8bit=False)
    most[bits] = int(np.asarray(deep).min()), int(np.asarray(deep).max())
    eight = int(np.asarray(Image.open(io.BytesIO(file.getvalue()))).max())
    print(bits, "bits:", deep.mode, "white", most[bits], "- by Pillow in 8 bits", eight)
    check(f"{bits} bits in 8 bits are white", eight == 255)
check("white of 10 bits is 65472 everywhere", most[10] == (65472, 65472))
check("white of 12 bits is 65520 everywhere", most[12] == (65520, 65520))

sys.exit(1 if failed else 0)
PY
