#!/usr/bin/env bash
# Pillow: the transparent grey of a 2-bit or 4-bit PNG is lost by convert("RGBA").
# Guess: a PNG with a tRNS chunk is shown with its transparency at every bit depth. Happens: at 1, 8 and 16
#   bits convert("RGBA") makes that grey transparent; at 2 and 4 bits Pillow widens the samples to 0..255 but
#   not the number in tRNS, and the picture becomes opaque (or, with a larger grey in tRNS, none at all fits).
# Matters: small icons and scans of few greys; upscaled, they get a solid background.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'imagecodecs==2026.3.6' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import io
import struct
import zlib

import imagecodecs
import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "imagecodecs", imagecodecs.__version__)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(bits, samples, clear):
    row = "".join(format(s, f"0{bits}b") for s in samples)
    row += "0" * (-len(row) % 8)
    row = bytes(int(row[i : i + 8], 2) for i in range(0, len(row), 8))
    head = struct.pack(">IIBBBBB", len(samples), 1, bits, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", struct.pack(">H", clear))
            + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b""))


for bits in (1, 2, 4, 8, 16):
    file = grey_png(bits, [0, 1, 0, 1], clear=1)
    image = Image.open(io.BytesIO(file))
    by_pillow = np.asarray(image.convert("RGBA"))[0, :, 3].tolist()
    other = imagecodecs.png_decode(file)[0, :, -1]
    print(f"{bits:2} bits, samples 0 1 0 1, tRNS 1: alpha by Pillow {by_pillow}, by imagecodecs {(other > 0).astype(int).tolist()} (1: seen)")
    check(f"{bits} bits: " + ("nothing is transparent" if bits in (2, 4) else "the grey 1 is transparent"),
          by_pillow == ([255] * 4 if bits in (2, 4) else [255, 0, 255, 0]))
    check("imagecodecs has it transparent", (other > 0).tolist() == [True, False, True, False])

sys.exit(1 if failed else 0)
PY
