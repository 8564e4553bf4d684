"""Intervals and tests against scipy, exact cases, and their coverage."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from srae.analysis.permutation import adjust_holm, compare_pairs, describe_p
from srae.analysis.stats import (
    interval_over_images,
    interval_over_seeds,
    share_of_variance,
)


def test_seed_interval_is_students() -> None:
    values = [30.1, 30.4, 30.2]
    found = interval_over_seeds(values)
    low, high = scipy_stats.t.interval(0.95, 2, loc=np.mean(values), scale=scipy_stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert interval_over_seeds([3.0]).low is None


@pytest.mark.parametrize("count", [5, 6, 10, 14, 60])
@pytest.mark.parametrize(("draw", "mean"), [(lambda r, n: r.normal(0, 1, n), 0), (lambda r, n: r.gamma(2, 1, n), 2)])
def test_image_interval_covers_the_mean_as_often_as_it_says(
    draw: Callable[[np.random.Generator, int], np.ndarray], mean: float, count: int
) -> None:
    """Of skewed values Student's t alone has 0.92, the percentile bootstrap 0.81 to 0.90."""
    random, trials = np.random.default_rng(0), 4000
    found = [interval_over_images(draw(random, count)) for _ in range(trials)]
    coverage = sum(f.low <= mean <= f.high for f in found if f.low is not None and f.high is not None) / trials
    # Within 1.5 points, and three standard errors of this simulation.
    assert abs(coverage - 0.95) <= 0.015 + 3 * np.sqrt(0.95 * 0.05 / trials)


def test_values_without_skew_have_students_interval() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    low, high = scipy_stats.t.interval(0.95, 3, loc=2.5, scale=scipy_stats.sem(values))
    found = interval_over_images(values)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    same = interval_over_images([0.3] * 5)
    assert (same.low, same.high) == (pytest.approx(0.3), pytest.approx(0.3))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_an_interval_is_ordered_finite_and_turns_with_its_values(values: list[float]) -> None:
    found, turned = interval_over_images(values), interval_over_images([-value for value in values])
    assert found.low is not None and found.high is not None and turned.low is not None and turned.high is not None
    assert np.isfinite([found.low, found.high]).all() and found.low <= found.high
    spread = 1e-6 * (1 + max(map(abs, values)))
    assert turned.low == pytest.approx(-found.high, abs=spread) and turned.high == pytest.approx(-found.low, abs=spread)


def test_shares_have_wilsons_interval() -> None:
    found = interval_over_images([1.0] * 54 + [0.0] * 6, shares=True)
    wilson = scipy_stats.binomtest(54, 60).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(wilson.low), pytest.approx(wilson.high))
    perfect = interval_over_images([1.0] * 10, shares=True)
    assert perfect.low is not None and 0.6 < perfect.low < 0.8, "ten of ten do not prove a hundred of a hundred"


def test_flips_of_equal_size_are_mcnemars_test() -> None:
    first = [1.0] * 9 + [0.0] * 2 + [1.0] * 40
    second = [0.0] * 9 + [1.0] * 2 + [1.0] * 40
    assert compare_pairs(first, second).p == pytest.approx(scipy_stats.binomtest(9, 11).pvalue)
    assert compare_pairs(first, second).win_rate == pytest.approx((9 + 20) / 51)


def test_flips_of_many_images_agree_with_their_limit() -> None:
    differences = np.random.default_rng(3).normal(0.04, 1, 4000)
    zeros = np.zeros(4000)
    exact = compare_pairs(differences[:1900].tolist(), zeros[:1900].tolist()).p
    limit = 2 * scipy_stats.norm.sf(abs(differences[:1900].sum()) / np.sqrt((differences[:1900] ** 2).sum()))
    assert exact == pytest.approx(limit, abs=0.015)
    assert compare_pairs(differences.tolist(), zeros.tolist()).p < 0.05


@pytest.mark.parametrize("count", [51, 170, 600])
@pytest.mark.parametrize("digits", [1, 9])
def test_wilcoxons_test_is_scipys(count: int, digits: int) -> None:
    """Beyond 50 pairs it is computed here; with many ties and zeros, or with none."""
    for shift in (0.0, 0.1, 0.4):
        differences = np.random.default_rng(count).normal(shift, 0.5, count).round(digits)
        method = "asymptotic" if [*map(int, scipy.__version__.split(".")[:2])] >= [1, 15] else "approx"  # its old name
        wanted = scipy_stats.wilcoxon(differences, method=method).pvalue
        found = compare_pairs(differences.tolist(), [0.0] * count).wilcoxon_p
        assert found == pytest.approx(wanted, rel=1e-9)


def test_what_is_drawn_at_random_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, original = [], np.random.default_rng

    def spy(seed: int) -> np.random.Generator:
        drawn.append(seed)
        return original(seed)

    random = original(5)
    tables = [random.normal(30, 3, 173).tolist() for _ in range(20)]
    monkeypatch.setattr("srae.analysis.permutation.np.random.default_rng", spy)
    for table in tables[1:]:
        compare_pairs(table, tables[0], seed=77)
    assert drawn == [77]


def test_comparison_of_equal_and_of_shifted_models() -> None:
    random = np.random.default_rng(1)
    base = random.normal(30, 3, 40)
    equal = compare_pairs(base.tolist(), base.tolist())
    assert (equal.p, equal.wilcoxon_p, equal.win_rate, equal.difference.mean) == (1.0, 1.0, 0.5, 0.0)
    assert (equal.difference.low, equal.difference.high) == (0.0, 0.0), "differences of 0 are not shares"
    better = compare_pairs((base + 0.2 + random.normal(0, 0.1, 40)).tolist(), base.tolist())
    assert better.p < 0.001 and better.wilcoxon_p < 0.001
    assert better.win_rate > 0.9
    assert better.difference.low is not None and better.difference.low > 0
    worse = compare_pairs(base.tolist(), (base + 1).tolist(), higher_is_better=False)
    assert (worse.win_rate, worse.difference.mean) == (1.0, pytest.approx(-1))


def test_sign_flips_of_few_images_are_counted_exactly() -> None:
    assert compare_pairs([2.0, 3.0, 4.0], [1.0, 1.0, 1.0]).p == pytest.approx(2 / 8)
    assert compare_pairs([2.0] * 10, [1.0] * 10).p == pytest.approx(2 / 1024)


def test_images_must_pair() -> None:
    with pytest.raises(ValueError):
        compare_pairs([1.0], [1.0, 2.0])


def test_holm_by_hand() -> None:
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm([0.6, 0.5]) == [1.0, 1.0]
    assert adjust_holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = adjust_holm(p_values)
    assert all(a >= p and a <= 1 for a, p in zip(adjusted, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(adjusted[i] <= adjusted[j] for i, j in itertools.pairwise(order))


def test_shares_of_variance_of_an_additive_grid() -> None:
    rows = [{"depth": d, "act": a, "fixed": 0} for d in (2, 3) for a in ("relu", "tanh")]
    shares = share_of_variance(rows, [3 * r["depth"] + (r["act"] == "tanh") for r in rows])  # type: ignore[operator]
    assert shares == pytest.approx({"depth": 0.9, "act": 0.1, "depth x act": 0.0, "residual": 0.0})
    crossed = share_of_variance(rows, [1.0, -1.0, -1.0, 1.0])
    assert crossed["depth x act"] == pytest.approx(1)
    with pytest.raises(ValueError):
        share_of_variance(rows[:3], [1.0, 2.0, 3.0])


def test_a_p_is_never_zero_in_words() -> None:
    assert describe_p(0.0) == "< 0.0001"
    assert (describe_p(0.0312), describe_p(0.0008, "≤ ")) == ("0.031", "≤ 0.0008")
