#!/usr/bin/env bash
# safetensors 0.8.0: a transposed NumPy array is stored scrambled, without an error.
# Guess: save_file either copies such an array or refuses it, as its torch side does. Happens: the numbers are
#   written in the order they lie in memory under the logical shape, so load_file returns other numbers.
#   (0.7.0 stored it rightly; upstream has reports of it for Fortran order.)
# Matters: weights turned from HWIO to OIHW, or pictures from HWC to CHW, by transpose() before saving.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'safetensors==0.8.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__)
kernel = np.arange(2 * 2 * 3, dtype=np.float32).reshape(2, 2, 3)  # height, width, channels
first = kernel.transpose(2, 0, 1)  # channels first: a view
back = load(save({"kernel": first}))["kernel"]
print("stored :", first.tolist())
print("loaded :", back.tolist())
check("the shape is kept", back.shape == first.shape)
check("the numbers are not", not np.array_equal(back, first))
check("they are those of memory order", np.array_equal(back.ravel(), kernel.ravel()))
sure = load(save({"kernel": np.ascontiguousarray(first)}))["kernel"]
check("np.ascontiguousarray first: stored rightly", np.array_equal(sure, first))

sys.exit(1 if failed else 0)
PY
