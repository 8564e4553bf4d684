#!/usr/bin/env bash
# NumPy: default_rng([seed, 0]) is the same stream as default_rng(seed).
# Guess: a list of seed and worker (or epoch, or fold) gives a stream of its own for each list. Happens: short
#   seeds are filled up with zeros, so a trailing 0 changes nothing: [7], [7, 0] and [7, 0, 0] are one stream;
#   and 2**32 is [0, 1]. SeedSequence(seed).spawn() does not have this.
# Matters: worker 0 or epoch 0 repeats the numbers of the main stream (noise equal to the initial weights,
#   test noise equal to training noise) without a sign.
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


def first(seed):
    return np.random.default_rng(seed).random(4).round(4).tolist()


for seed in (7, [7], [7, 0], [7, 0, 0], [7, 1], [0, 7], 2**32, [0, 1]):
    print(f"default_rng({seed}):", first(seed))
check("7, [7], [7, 0] and [7, 0, 0] are one stream", len({str(first(s)) for s in (7, [7], [7, 0], [7, 0, 0])}) == 1)
check("[7, 1] and [0, 7] are others", len({str(first(s)) for s in (7, [7, 1], [0, 7])}) == 3)
check("2**32 is [0, 1]", first(2**32) == first([0, 1]))
child = np.random.default_rng(np.random.SeedSequence(7).spawn(1)[0]).random(4).round(4).tolist()
print("first spawned child of 7:", child)
check("a spawned child is another stream", child != first(7))

sys.exit(1 if failed else 0)
PY
