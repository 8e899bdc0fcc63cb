import numpy as np
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from btc_ai.learning.study.statistics import Array, estimate, improvement, iqm, pooled_iqm


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10, 11, 37])
def test_the_interquartile_mean_is_rliables(count: int) -> None:
    values = np.random.default_rng(count).standard_normal((3, count)) ** 3
    for row, found in zip(values, iqm(values), strict=True):
        assert found == pytest.approx(trim_mean(row, proportiontocut=0.25))
    pooled = trim_mean(values.ravel(), proportiontocut=0.25)
    assert pooled_iqm(values) == pytest.approx(pooled)


def test_the_probability_of_improvement_is_mann_and_whitneys() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.integers(0, 6, (2, 1, 9)).astype(float)
    expected = mannwhitneyu(first[0], second[0]).statistic / 81
    assert improvement(first, second) == pytest.approx(expected)
    assert improvement(first, first) == pytest.approx(0.5)


def test_an_outlier_does_not_move_it() -> None:
    values = np.array([[1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, -1000.0]])
    assert float(pooled_iqm(values)) == pytest.approx(1.0, abs=0.1)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    generator, held = np.random.default_rng(3), 0
    for number in range(400):
        found = estimate(
            pooled_iqm, generator.standard_normal((1, 10)), seed=number, replicates=400
        )
        held += found.low <= 0 <= found.high
    assert 0.88 <= held / 400 <= 0.98


def test_seeds_are_drawn_together_in_all_arms() -> None:
    """A difference that is the same in every seed has no spread, whatever buckets differ by."""
    scratch = np.random.default_rng(4).standard_normal((2, 10))
    scratch[1] += 100
    ahead = estimate(lambda a, b: pooled_iqm(a - b), scratch + 0.25, scratch, seed=0)
    assert ahead.low == pytest.approx(0.25) and ahead.high == pytest.approx(0.25)
    mean = estimate(_mean, scratch, seed=0)
    assert mean.high - mean.low < 3  # mixed buckets would make it about 30


def test_a_seed_is_drawn_with_all_its_buckets() -> None:
    """Buckets that say the same of each seed say no more than one; opposite ones cancel."""
    one = np.random.default_rng(6).standard_normal((1, 10))
    alone, twice = (estimate(_mean, values, seed=0) for values in (one, np.vstack([one, one])))
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
    cancelled = estimate(_mean, np.vstack([one, -one]), seed=0)
    assert cancelled.high - cancelled.low == pytest.approx(0)


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=(-2, -1)))


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(5).standard_normal((2, 10))
    assert estimate(pooled_iqm, values, seed=1) == estimate(pooled_iqm, values, seed=1)
    assert estimate(pooled_iqm, values, seed=1) != estimate(pooled_iqm, values, seed=2)
