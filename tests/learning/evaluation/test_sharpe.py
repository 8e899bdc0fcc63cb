import math

import numpy as np
import pytest

from btc_ai.learning.evaluation.sharpe import (
    deflated_sharpe,
    expected_best_sharpe,
    probabilistic_sharpe,
)


def test_the_example_of_bailey_and_lopez_de_prado() -> None:
    """2014, p. 98: annualised SR 2.5 over 1,250 days, 100 trials of annualised variance ½."""
    variance = 0.5 / 250
    assert expected_best_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    value = deflated_sharpe(
        2.5 / math.sqrt(250), trials=100, variance=variance, bars=1_250, skew=-3, kurtosis=10
    )
    assert value == pytest.approx(0.9004, abs=1e-4)


def test_the_best_of_worthless_trials_is_as_good_as_expected() -> None:
    generator = np.random.default_rng(0)
    best = generator.standard_normal((20_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(50, 1.0) == pytest.approx(best, rel=0.02)


def test_a_single_trial_is_not_deflated() -> None:
    assert expected_best_sharpe(1, 4.0) == 0
    single = deflated_sharpe(0.1, trials=1, variance=0, bars=100, skew=0, kurtosis=3)
    assert single == probabilistic_sharpe(0.1, 0, 100, 0, 3)
    many = deflated_sharpe(0.1, trials=9, variance=0.01, bars=100, skew=0, kurtosis=3)
    assert single is not None
    assert many is not None
    assert many < 0.5 < single


def test_the_probability_is_calibrated_on_normal_returns() -> None:
    generator = np.random.default_rng(1)
    returns = 0.05 + generator.standard_normal((4_000, 250))
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    above = [probabilistic_sharpe(float(r), 0.05, 250, 0, 3) for r in ratios]
    assert np.mean([p is not None and p > 0.95 for p in above]) == pytest.approx(0.05, abs=0.012)


def test_where_the_variance_is_not_positive_there_is_no_probability() -> None:
    assert probabilistic_sharpe(1.0, 0, 100, 3.0, 1.0) is None
    assert probabilistic_sharpe(0.1, 0, 1, 0, 3) is None
