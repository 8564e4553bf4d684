#!/usr/bin/env bash
# SciPy: three runs against three give p = 0.047, and three points a correlation with p = 0.
# Guess: small samples are tested exactly, so three against three never gives less than 0.1 (2 of 20 orders),
#   and a rank correlation of three points no less than 1/3. Happens: mannwhitneyu leaves the exact test when
#   there are ties (so equal scores make p smaller), kruskal always uses chi-squared, spearmanr Student t:
#   0.047, 0.0495 and 0.0 (kendalltau is exact: 1/3).
# Matters: comparisons of trainings with three seeds, scores rounded to two decimals: "significant" from
#   data that cannot be.
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


from itertools import combinations

import numpy as np
import scipy
from scipy import stats

print("SciPy", scipy.__version__)


def exact(a, b):  # share of all ways to split the six scores with a rank sum as far from the middle
    ranks = stats.rankdata([*a, *b])
    sums = np.array([sum(c) for c in combinations(ranks, len(a))])
    far = np.abs(sums - sums.mean())
    return float((far >= abs(sum(ranks[: len(a)]) - sums.mean()) - 1e-9).mean())


for a, b in (([30.11, 30.12, 30.13], [30.21, 30.22, 30.23]), ([30.1, 30.1, 30.1], [30.2, 30.2, 30.2])):
    u, k = stats.mannwhitneyu(a, b).pvalue, stats.kruskal(a, b).pvalue
    print(f"{a} against {b}: mannwhitneyu {u:.4f}, kruskal {k:.4f}, exact {exact(a, b):.4f}")
check("with ties mannwhitneyu is under 0.05, exact is 0.1", abs(u - 0.0469) < 1e-3 and exact(a, b) == 0.1)
check("without ties mannwhitneyu is exact, kruskal under 0.05",
      abs(stats.mannwhitneyu([1, 2, 3], [4, 5, 6]).pvalue - 0.1) < 1e-9 and stats.kruskal([1, 2, 3], [4, 5, 6]).pvalue < 0.05)
rho, tau = stats.spearmanr([1, 2, 3], [10, 20, 30]).pvalue, stats.kendalltau([1, 2, 3], [10, 20, 30]).pvalue
print(f"three points in order: spearmanr p = {rho}, kendalltau p = {tau:.4f}")
check("spearmanr says 0, kendalltau 1/3", rho < 1e-9 and abs(tau - 1 / 3) < 1e-9)

sys.exit(1 if failed else 0)
PY
