#!/usr/bin/env bash
# scikit-image: one value of -1e-9 in the true picture adds 6.02 dB to its PSNR.
# Guess: without data_range the range of a float picture is 1, or it is an error (as for its SSIM).
#   Happens: the range is 1 while the true picture has no negative value, and 2 as soon as it has one; the
#   other picture may have any. So the number also changes when the two arguments are swapped.
# Matters: float targets that were resized by a cubic, or changed colour space, dip below 0 in some pictures
#   of a set and not in others: those gain 6 dB.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scikit-image==0.26.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio as psnr

print("scikit-image", skimage.__version__)
random = np.random.default_rng(0)
true = random.random((64, 64))
true[0, 0] = 0
guess = np.clip(true + random.normal(0, 0.05, true.shape), 0, 1)
dipped = true.copy()
dipped[0, 0] = -1e-9
plain, more, swapped = psnr(true, guess), psnr(dipped, guess), psnr(guess, dipped)
print(f"PSNR {plain:.3f} dB; with one value of -1e-9 in the true picture {more:.3f} dB; arguments swapped {swapped:.3f} dB")
print(f"with data_range=1: {psnr(true, guess, data_range=1):.3f} and {psnr(dipped, guess, data_range=1):.3f} dB")
check("6 dB for one tiny negative value", abs(more - plain - 20 * np.log10(2)) < 1e-3)
check("not if it is in the second argument", abs(swapped - plain) < 1e-3)
check("data_range=1 has no such jump", abs(psnr(dipped, guess, data_range=1) - plain) < 1e-3)

sys.exit(1 if failed else 0)
PY
