#!/usr/bin/env bash
# SciPy: the 95 % bootstrap interval of the mean of five runs holds the truth in 83 % of cases; BCa is no better.
# Guess: a little under 95 %, and the default BCa ("bias-corrected and accelerated") mends most of it.
#   Happens: for five normal scores percentile, BCa and basic all hold 82 to 84 %; Student t 94 to 95 %.
# Matters: error bars of five seeds are drawn a third too short, and one comparison in six "differs" by chance.
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
from scipy import stats

print("SciPy", scipy.__version__)
random = np.random.default_rng(0)
runs = random.normal(size=(1500, 5))
held, width = {}, {}
for method in ("percentile", "BCa", "basic"):
    spans = np.array([stats.bootstrap((r,), np.mean, method=method, n_resamples=999, rng=np.random.default_rng(i)).confidence_interval
                      for i, r in enumerate(runs)])
    held[method], width[method] = float(((spans[:, 0] <= 0) & (spans[:, 1] >= 0)).mean()), float((spans[:, 1] - spans[:, 0]).mean())
half = stats.t.ppf(0.975, 4) * runs.std(axis=1, ddof=1) / 5**0.5
held["Student t"], width["Student t"] = float((np.abs(runs.mean(axis=1)) <= half).mean()), float(2 * half.mean())
for method in held:
    print(f"{method:10}: holds the true mean in {held[method]:.1%} of 1500 cases, mean width {width[method]:.2f}")
check("percentile, BCa and basic hold 79 to 88 %", all(0.79 < held[m] < 0.88 for m in ("percentile", "BCa", "basic")))
check("BCa holds no more than percentile", held["BCa"] <= held["percentile"] + 0.01)
check("Student t holds 93 to 97 %", 0.93 < held["Student t"] < 0.97)

sys.exit(1 if failed else 0)
PY
