"""What is tested against the best: seeds where there are several, else images, and groups of images as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from builders import write_classifier, write_run
from srae.analysis.against_best import pair_with_best
from srae.analysis.compare import Group, group_runs
from srae.analysis.describe import comparison_lines
from srae.analysis.gains import judge_gain
from srae.analysis.permutation import can_tell, compare_pairs, compare_seeds, least_seed_p, seeds_needed
from srae.analysis.rows import format_cell, row_of
from srae.analysis.stats import gather_groups, interval_between_seeds, interval_over_images
from srae.runs.reader import read_run


def group_of(folder: Path, seeds: dict[int, Sequence[float]], *, images: int = 8, **more: Sequence[str]) -> Group:
    """Experiments by width, a run per offset (in dB) of a seed, on images that differ by 1 dB."""
    for width, offsets in seeds.items():
        for seed, offset in enumerate(offsets):
            psnr = [30 + i + offset + 0.01 * (i * (width + seed) % 7) for i in range(images)]
            write_run(folder / f"w{width}-s{seed}", width=width, seed=seed, psnr=psnr, **more)
    (group,) = group_runs(read_run(path) for path in sorted(folder.iterdir()))
    return group


# ---------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize(("first", "second"), [(3, 3), (4, 4), (5, 2), (6, 6)])
def test_seeds_are_permuted_exactly(first: int, second: int) -> None:
    random = np.random.default_rng(first)
    ours, theirs = random.normal(0.4, 1, first).tolist(), random.normal(0, 1, second).tolist()
    wanted = scipy_stats.permutation_test((ours, theirs), lambda a, b: abs(np.mean(a) - np.mean(b)), n_resamples=np.inf)
    assert compare_seeds(ours, theirs).p == pytest.approx(np.mean(wanted.null_distribution >= wanted.statistic - 1e-12))
    apart = compare_seeds([10.0 + i for i in range(first)], [float(i) / 9 for i in range(second)])
    assert apart.p == pytest.approx(least_seed_p(first, second))


def test_many_seeds_are_permuted_at_random() -> None:
    random = np.random.default_rng(1)
    ours, theirs = random.normal(0.5, 1, 20).tolist(), random.normal(0, 1, 20).tolist()
    assert compare_seeds(ours, theirs).p == pytest.approx(scipy_stats.ttest_ind(ours, theirs).pvalue, abs=0.02)


def test_the_interval_between_seeds_is_welchs() -> None:
    ours, theirs = [30.1, 30.4, 30.2], [29.0, 31.5, 30.7, 28.8]
    wanted = scipy_stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    found = interval_between_seeds(ours, theirs)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert interval_between_seeds([1.0, 1.0], [0.5, 0.5]).low == 0.5


@pytest.mark.parametrize(("tests", "needed"), [(1, 4), (2, 5), (6, 5), (7, 6), (23, 6), (119, 8)])
def test_so_many_seeds_can_reach_the_level(tests: int, needed: int) -> None:
    assert seeds_needed(tests) == needed


@pytest.mark.parametrize(("seeds", "testable"), [(2, False), (3, False), (4, True), (5, True)])
def test_with_several_seeds_the_test_is_over_seeds(tmp_path: Path, seeds: int, testable: bool) -> None:
    """Image by image the difference is beyond any noise; whether other seeds would give it, few seeds cannot say."""
    group = group_of(tmp_path, {1: [0.1 * i for i in range(seeds)], 2: [1 + 0.1 * i for i in range(seeds)]})
    best, (test,) = pair_with_best(group)
    assert (best, test["over"], test["seeds"], test["testable"]) == ("w2", "seeds", [seeds, seeds], testable)
    assert test["p"] == pytest.approx(least_seed_p(seeds, seeds)) and test["image_p"] < 0.01
    assert (test["p"] < 0.05) == testable
    said = "\n".join(comparison_lines(group))
    assert ("4 seeds of each" in said) == (not testable) and "noise" not in said


def test_one_seed_beside_several_is_tested_over_images(tmp_path: Path) -> None:
    best, tests = pair_with_best(group_of(tmp_path, {1: [0], 2: [1, 1.1, 1.2], 3: [0.5, 0.6, 0.4]}))
    assert best == "w2"
    assert [(test["run"], test["over"]) for test in tests] == [("w1-s0", "images"), ("w3", "seeds")]


def test_two_seeds_are_shown_by_their_values(tmp_path: Path) -> None:
    group = group_of(tmp_path, {1: [0, 3.0], 2: [1, 1.2, 1.4]})
    two, three = group.rows
    assert two["by_seed"]["val_psnr"] == pytest.approx([33.52, 36.52], abs=0.05)
    assert format_cell("val_psnr", two).count(",") == 1 and "n = 2" in format_cell("val_psnr", two)
    assert "±" in format_cell("val_psnr", three)


# --------------------------------------------------------------------------------- groups


def test_groups_of_one_size_are_their_means() -> None:
    values, groups = [1.0, 3.0, 10.0, 12.0, -2.0, 0.0], ["a", "a", "b", "b", "c", "c"]
    assert sorted(gather_groups(values, groups)) == pytest.approx([-1, 2, 11])
    found, wanted = interval_over_images(values, groups), interval_over_images([-1.0, 2.0, 11.0])
    assert (found.mean, found.low, found.high, found.count) == pytest.approx((4, wanted.low, wanted.high, 3))
    assert gather_groups(values, list("abcdef")) == pytest.approx(values), "images that are their own groups"


def test_the_standard_error_over_groups_is_the_cluster_robust_one() -> None:
    random = np.random.default_rng(0)
    groups = [str(g) for g in range(9) for _ in range(g + 1)]
    values = random.normal(0, 1, 9)[np.array(groups, int)] + random.normal(0, 0.1, len(groups))
    found = gather_groups(values, groups)
    assert found.mean() == pytest.approx(values.mean())
    sums = np.array([(values - values.mean())[np.array(groups) == g].sum() for g in map(str, range(9))])
    robust = np.sqrt(9 / 8 * (sums**2).sum()) / len(values)  # Liang and Zeger, of the intercept alone
    assert found.std(ddof=1) / 3 == pytest.approx(robust)


def test_the_interval_over_groups_covers_the_mean() -> None:
    """Twelve photographs of five crops each, which differ less than photographs do; over images it covers half."""
    random, groups, trials = np.random.default_rng(0), [str(g) for g in range(12) for _ in range(5)], 2000
    hits = np.zeros(2)
    for _ in range(trials):
        values = np.repeat(random.normal(0, 1, 12), 5) + random.normal(0, 0.3, 60)
        for place, found in enumerate((interval_over_images(values, groups), interval_over_images(values))):
            assert found.low is not None and found.high is not None
            hits[place] += found.low <= 0 <= found.high
    assert abs(hits[0] / trials - 0.95) < 0.015 + 3 * np.sqrt(0.95 * 0.05 / trials) and hits[1] / trials < 0.7


def test_shares_in_groups_are_of_fewer_images() -> None:
    right, groups = [1.0] * 30 + [0.0] * 10, [str(i // 10) for i in range(40)]
    alone, together = interval_over_images(right, shares=True), interval_over_images(right, groups, shares=True)
    wilson = scipy_stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert (together.low, together.high) == pytest.approx((wilson.low, wilson.high)), "all images of a group agree"
    assert alone.low is not None and together.low is not None and together.low < alone.low
    perfect = interval_over_images([1.0] * 40, groups, shares=True)
    wilson = scipy_stats.binomtest(4, 4).proportion_ci(method="wilson")
    assert (perfect.low, perfect.high) == pytest.approx((wilson.low, wilson.high))


def test_signs_are_flipped_group_by_group() -> None:
    differences, groups = [1.0, 2.0, 0.5, 0.7, 0.1, 0.9, 3.0, 1.0], list("aabbccdd")
    paired = compare_pairs(differences, [0.0] * 8, groups)
    assert (paired.p, paired.win_rate, paired.difference.count) == (pytest.approx(2 / 2**4), 1.0, 4)
    assert compare_pairs(differences, [0.0] * 8).p == pytest.approx(2 / 2**8)
    assert compare_pairs(differences, [0.0] * 8, ["one"] * 8).p == 1.0, "one photograph shows nothing"


@pytest.mark.parametrize(
    ("count", "over", "testable"), [(2, "groups", False), (8, "groups", True), (16, "images", True)]
)
def test_crops_of_one_photograph_count_as_one_image(tmp_path: Path, count: int, over: str, testable: bool) -> None:
    groups = [f"photo{i % count}" for i in range(16)]
    group = group_of(tmp_path, {1: [0.0], 2: [1.0]}, images=16, groups=groups)
    _, (test,) = pair_with_best(group)
    assert (test["images"], test["over"], test["testable"]) == (16, over, testable)
    assert test["groups"] == (count if over == "groups" else None)
    assert can_tell(count, 1) == testable == (test["p"] < 0.05)
    assert group.rows[0]["interval_over"] == (f"{count} {over}" if count > 2 else None)


def test_classifiers_are_tested_group_by_group(tmp_path: Path) -> None:
    """Nine slices of each of four patients: 36 images, and no test over four patients reaches the level."""
    true = [("a" if patient % 2 else "b") for patient in range(4) for _ in range(9)]
    for name, wrong in (("good", 0), ("bad", 27)):
        folder = write_classifier(
            tmp_path / name, [(t, "c" if i < wrong else t) for i, t in enumerate(true)], width=wrong
        )
        rows = (folder / "images.csv").read_text().splitlines()
        grouped = [f"{row},{'group' if i == 0 else (i - 1) // 9}" for i, row in enumerate(rows)]
        (folder / "images.csv").write_text("\n".join(grouped) + "\n")
    (group,) = group_runs(read_run(tmp_path / name) for name in ("good", "bad"))
    _, (test,) = pair_with_best(group)
    assert (test["images"], test["groups"], test["testable"], test["p"]) == (36, 4, False, pytest.approx(2 / 2**3))


# ---------------------------------------------------------------------------------- gains


@pytest.mark.parametrize(
    ("gains", "groups", "beyond", "testable"),
    [
        ([0.5, 0.6, 0.4, 0.7, 0.5, 0.6], None, True, True),
        ([0.5, -0.6, 0.4, -0.7, 0.5, -0.6], None, False, True),
        ([0.5, 0.6, 0.4], None, False, False),
        ([0.5, 0.6, 0.4, 0.7, 0.5, 0.6], list("aaabbb"), False, False),
        ([0.1], None, False, False),
    ],
)
def test_a_gain_is_beyond_noise_or_not(
    gains: list[float], groups: list[str] | None, beyond: bool, testable: bool
) -> None:
    found = judge_gain(gains, groups)
    assert (found["beyond_noise"], found["testable"]) == (beyond, testable)


def test_worse_is_said_beyond_noise_only(tmp_path: Path) -> None:
    reference = [30.0 + i for i in range(8)]
    for width, offsets in ((1, [-0.5, -0.6] * 4), (2, [-0.5, 0.45] * 4), (3, [0.5, 0.6] * 4)):
        psnr = [value + offset for value, offset in zip(reference, offsets, strict=True)]
        write_run(tmp_path / f"w{width}", width=width, psnr=psnr, reference=reference)
    (group,) = group_runs(read_run(tmp_path / f"w{width}") for width in (1, 2, 3))
    worse, noise, better = group.rows
    assert worse["gain_db"] == pytest.approx(-0.55) and worse["gain_db_high"] < 0 and worse["gain_p"] < 0.01
    assert noise["gain_db_low"] < 0 < noise["gain_db_high"] and noise["gain_p"] > 0.05 and better["gain_db_low"] > 0
    equal = write_run(tmp_path / "equal", psnr=[value + 1e-6 for value in reference], reference=reference)
    assert row_of(read_run(equal))["gain_p"] == 1.0, "the sign of a rounding error means nothing"
    lines = [line.split() for line in comparison_lines(group)]
    assert [line[0] for line in lines if "WORSE" in line] == ["w1"]
