#!/usr/bin/env bash
# matplotlib: cmap="gray" draws 24 of the 256 grey levels one level too dark, in imshow and in imsave alike.
# Guess: grey levels with vmin=0 and vmax=255 are drawn as they are; "gray" is the straight line from 0 to 1.
#   Happens: the table of the colour map holds 32.99999999999999 for 33 and is cut off to bytes, not rounded.
#   The same levels as three equal channels are drawn exactly.
# Matters: an 8-bit image saved by imsave is not the image any more (58.4 dB for a ramp of all levels), and a
#   grey panel of a comparison is not equal to the same image in RGB beside it.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'matplotlib==3.11.2' 'numpy==2.4.6' 'pillow==13.0.0'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

print("matplotlib", matplotlib.__version__, "NumPy", np.__version__)
levels = np.arange(256, dtype=np.uint8).reshape(16, 16)


def saved(image, **keywords):
    plt.imsave("image.png", image, **keywords)
    return np.asarray(Image.open("image.png").convert("RGB"))[..., 0].astype(int)


def shown(image, **keywords):
    drawing = plt.figure(figsize=(0.16, 0.16), dpi=100)
    axes = drawing.add_axes([0, 0, 1, 1])
    axes.axis("off")
    axes.imshow(image, **keywords)
    drawing.canvas.draw()
    return np.asarray(drawing.canvas.buffer_rgba())[..., 0].astype(int)


grey = {"cmap": "gray", "vmin": 0, "vmax": 255}
for name, draw in (("imsave", saved), ("imshow", shown)):
    off = draw(levels, **grey) - levels
    unit = draw(levels / 255, cmap="gray", vmin=0, vmax=1) - levels
    colour = draw(np.dstack([levels] * 3)) - levels
    print(f"{name}: {np.count_nonzero(off)} levels off by {sorted(set(off.ravel().tolist()))}: {levels[off != 0].tolist()}")
    print(f"{name}: {np.count_nonzero(unit)} off as values from 0 to 1, {np.count_nonzero(colour)} off as RGB")
    check(f"{name} in grey: 24 levels are one darker", np.count_nonzero(off) == 24 and off.min() == -1 and off.max() == 0)
    check(f"{name} of values from 0 to 1: the same 24", np.array_equal(unit, off))
    check(f"{name} in RGB: exact", not colour.any())
table = matplotlib.colormaps["gray"](np.arange(256))[:, 0] * 255
print("the table holds for 33:", float(table[33]), "and rounded:", int(round(table[33])))
check("the table is exact if rounded", np.array_equal(np.round(table), np.arange(256)))
mse = float(np.mean((saved(levels, **grey) - levels) ** 2.0))
print(f"a ramp of all levels, saved and read: PSNR {10 * np.log10(255**2 / mse):.1f} dB")

sys.exit(1 if failed else 0)
PY
