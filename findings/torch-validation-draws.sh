#!/usr/bin/env bash
# torch: going once through an unshuffled, single-process validation DataLoader changes the training that follows.
# Guess: a loader with shuffle=False, num_workers=0 uses no random number. Happens: each iter() of it draws a
#   seed for workers that it does not have from the global generator, so all later dropout, noise and shuffling
#   differ. A generator= of its own for that loader keeps the global one as it was.
# Matters: two runs that differ only in how often they validate end in different weights, though validation
#   itself is exact; "no effect" settings seem to have one.
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
from torch.utils.data import DataLoader, TensorDataset

print("torch", torch.__version__)
data = TensorDataset(torch.arange(8.0))


def then_random(loader):
    torch.manual_seed(0)
    seen = [] if loader is None else [batch for (batch,) in loader]
    return torch.rand(3).tolist(), len(seen)


plain = then_random(None)[0]
validated = then_random(DataLoader(data, batch_size=4, shuffle=False, num_workers=0))[0]
apart = then_random(DataLoader(data, batch_size=4, shuffle=False, num_workers=0, generator=torch.Generator()))[0]
print("random numbers after the seed               :", plain)
print("the same after a pass over the loader       :", validated)
print("the same, the loader with its own generator :", apart)
check("a pass over the loader changes them", validated != plain)
check("with a generator of its own it does not", apart == plain)

sys.exit(1 if failed else 0)
PY
