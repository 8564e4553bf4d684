#!/usr/bin/env bash
# SciPy: blurring an 8-bit picture by gaussian_filter darkens it by a whole level.
# Guess: the result is rounded, so its mean stays. Happens: each of the two passes cuts the fraction off, which
#   takes half a level each; a flat picture is not touched, so the usual check with one shows nothing.
# Matters: degraded training inputs that are all one level darker than their targets teach a network to
#   brighten, and PSNR against such a blur cannot pass 48 dB.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'scipy==1.17.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import scipy
from scipy.ndimage import gaussian_filter

print("SciPy", scipy.__version__)
picture = np.random.default_rng(0).integers(0, 256, (256, 256)).astype(np.uint8)
for sigma in (0.8, 1.6, 3.0):
    eight, exact = gaussian_filter(picture, sigma), gaussian_filter(picture.astype(np.float64), sigma)
    off = eight - exact
    psnr = 10 * np.log10(255**2 / (off**2).mean())
    print(f"sigma {sigma}: 8-bit minus exact: mean {off.mean():.3f}, from {off.min():.2f} to {off.max():.2f}; PSNR {psnr:.1f} dB")
    check("a level darker", -1.1 < off.mean() < -0.9 and off.max() <= 1e-9)
flat = np.full((32, 32), 200, np.uint8)
check("a flat picture stays as it is", np.array_equal(gaussian_filter(flat, 1.6), flat))

sys.exit(1 if failed else 0)
PY
