#!/usr/bin/env bash
# The white of a 12-bit picture: each library scales some formats, and none the same ones.
# Guess: a reader returns either the stored numbers (white 4095) or scales them to 16 bits (white 65535),
#   one way for all formats. Happens: Pillow scales PGM to 65535, JPEG 2000 to 65520, TIFF not at all;
#   OpenCV scales TIFF to 65520, PGM and JPEG 2000 not at all. pillow-heif gives a 10-bit white of 65472.
# Matters: the same shot is up to 16 times darker after a change of format or library, and "white" scaled by
#   a shift is not 1.0 after the division by 65535.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'tifffile==2026.3.3' 'imagecodecs==2026.3.6' 'pillow-heif==1.8.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import cv2
import imagecodecs
import numpy as np
import PIL
import pillow_heif
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "OpenCV", cv2.__version__, "tifffile", tifffile.__version__, "pillow-heif", pillow_heif.__version__)
shot = np.tile(np.array([0, 1, 2048, 4095], np.uint16), (8, 2))
with open("shot.pgm", "wb") as file:
    file.write(b"P5\n8 8\n4095\n" + shot.astype(">u2").tobytes())
tifffile.imwrite("shot.tif", shot, bitspersample=12, photometric="minisblack")
with open("shot.jp2", "wb") as file:
    file.write(imagecodecs.jpeg2k_encode(shot, bitspersample=12, reversible=True, level=0))

told = {("pgm", "Pillow"): 65535, ("pgm", "OpenCV"): 4095, ("tif", "Pillow"): 4095, ("tif", "OpenCV"): 65520,
        ("jp2", "Pillow"): 65520, ("jp2", "OpenCV"): 4095}
for (kind, library), white in told.items():
    file = "shot." + kind
    got = np.asarray(Image.open(file)) if library == "Pillow" else cv2.imread(file, cv2.IMREAD_UNCHANGED)
    print(f"{kind} by {library}: {got.dtype}, 0 1 2048 4095 is read as", got[0, :4].tolist())
    check(f"{library} reads the white of the {kind} as {white}", got.max() == white)

ten = np.tile(np.array([0, 65535], np.uint16), (64, 32))[..., None].repeat(3, 2)
pillow_heif.from_bytes(mode="RGB;16", size=(64, 64), data=ten.tobytes()).save("shot.heif", quality=-1, chroma=444, matrix_coefficients=0)
heif = pillow_heif.open_heif("shot.heif", convert_hdr_to_8bit=False)
print("heif of", heif.info["bit_depth"], "bits by pillow-heif:", np.unique(np.asarray(heif)).tolist(), "from 0 and 65535")
check("pillow-heif gives 65472 for the white that was 65535", int(np.asarray(heif).max()) == 65472)

sys.exit(1 if failed else 0)
PY
