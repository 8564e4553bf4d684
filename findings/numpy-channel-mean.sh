#!/usr/bin/env bash
# NumPy: the float32 mean per channel of a white 24-megapixel photo is 0.70, not 1.
# Guess: mean() sums pairwise, so float32 is good to six digits. Happens: pairwise summing is done along the
#   last axis in memory only; over height and width of an (H, W, 3) array it is a plain running float32 sum,
#   which stops growing at 2**24 = 16777216. No warning.
# Matters: channel means and deviations used to normalise pictures, taken over large photos or stacked sets.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np

print("NumPy", np.__version__)
white = np.ones((4000, 6000, 3), np.float32)
per_channel = white.mean(axis=(0, 1))
print("white, mean(axis=(0, 1)):", per_channel.tolist())
print("white, std(axis=(0, 1)) :", white.std(axis=(0, 1)).tolist(), "(truly 0)")
print("white, mean()           :", float(white.mean()))
print("white, dtype=np.float64 :", white.mean(axis=(0, 1), dtype=np.float64).tolist())
check("each channel's mean of an all-white picture is 16777216 / 24000000", np.allclose(per_channel, 2**24 / 24e6))
check("mean() over everything is right", white.mean() == 1)
check("with channels first it is right", (np.moveaxis(white[:, :, :1], 2, 0).copy().mean(axis=(1, 2)) == 1).all())
del white
grey = np.random.default_rng(0).random((4000, 6000, 3), dtype=np.float32)
off = grey.mean(axis=(0, 1)) - grey.mean(axis=(0, 1), dtype=np.float64)
print("random picture, error of the channel means in levels of 255:", (off * 255).tolist())
check("a random picture's means are already wrong in the fifth digit", np.abs(off).max() > 2e-6)

sys.exit(1 if failed else 0)
PY
