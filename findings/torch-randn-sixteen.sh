#!/usr/bin/env bash
# torch: with one seed, randn(15) and randn(16) share no number; rand(15) is the start of rand(16).
# Guess: a longer draw starts with the shorter one. Happens: on CPU fewer than 16 normals come from one method,
#   16 and more from another in blocks of 16, and a length that is no multiple of 16 draws its last block
#   anew over the block before: of 17 only the first number is that of a longer draw.
# Matters: adding one channel to a layer, or one pixel to a picture, changes all its seeded weights or noise,
#   so "same seed, one more filter" compares two different starts.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import torch

print("torch", torch.__version__)


def shared(draw, count):
    torch.manual_seed(0)
    short = draw(count)
    torch.manual_seed(0)
    long = draw(1024)[:count]
    return int((short == long).sum())


for draw in (torch.randn, torch.rand):
    print(f"{draw.__name__}: numbers of a draw that also start a draw of 1024:",
          ", ".join(f"{shared(draw, n)} of {n}" for n in (8, 15, 16, 17, 20, 32, 40)))
check("fewer than 16 normals share none", shared(torch.randn, 8) == shared(torch.randn, 15) == 0)
check("16 and 32 share all", shared(torch.randn, 16) == 16 and shared(torch.randn, 32) == 32)
check("17 share one, 40 share 24", shared(torch.randn, 17) == 1 and shared(torch.randn, 40) == 24)
check("rand shares all", all(shared(torch.rand, n) == n for n in (8, 15, 16, 17, 20)))

sys.exit(1 if failed else 0)
PY
