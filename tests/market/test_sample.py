"""The sample market: seeded, sound, fat-tailed, and with the signal it documents."""

import numpy as np
import pytest

from btc_ai.config import SAMPLE_SYMBOL
from btc_ai.errors import DataError
from btc_ai.market import sample
from btc_ai.market.features import FeatureRegistry, build_features
from btc_ai.market.quality import check_candles
from btc_ai.market.sample import predictable_r2, sample_market
from btc_ai.market.scaler import RobustScaler


def test_same_seed_same_market() -> None:
    assert sample_market(2_000, 7).sha256 == sample_market(2_000, 7).sha256
    assert sample_market(2_000, 7).sha256 != sample_market(2_000, 8).sha256


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sound_and_labelled(seed: int) -> None:
    candles = sample_market(20_000, seed)
    assert candles.synthetic
    assert candles.symbol == SAMPLE_SYMBOL
    assert check_candles(candles).errors == ()
    assert len(candles.segments) == 1


def test_stylised_facts() -> None:
    candles = sample_market()
    returns = np.diff(np.log(candles.close))
    standard = (returns - returns.mean()) / returns.std()
    assert returns.std() == pytest.approx(17e-4, rel=0.1)
    assert (standard**4).mean() > 6
    squares = standard**2
    clustering = np.corrcoef(squares[:-20], squares[20:])[0, 1]
    assert clustering > 0.02


def test_predictable_r2_is_what_a_kalman_filter_reaches() -> None:
    rng = np.random.default_rng(0)
    bars, beta, rho = 400_000, sample.BETA, sample.RHO
    signal = sample.ar1(rng, bars, rho)
    returns = beta * signal + rng.standard_normal(bars)
    mean, variance = 0.0, beta**2
    errors = np.empty(bars)
    for t, value in enumerate(returns.tolist()):
        errors[t] = value - mean
        gain = variance / (variance + 1)
        mean = rho * (mean + gain * (value - mean))
        variance = rho**2 * variance * (1 - gain) + beta**2 * (1 - rho**2)
    reached = 1 - (errors**2).mean() / (returns**2).mean()
    assert predictable_r2() == pytest.approx(0.0026, abs=1e-4)
    assert reached == pytest.approx(predictable_r2(), abs=5e-4)


def test_features_can_find_the_signal_out_of_sample(registry: FeatureRegistry) -> None:
    """A linear fit on the first 70 %, acting on the last 15 %, earns more than it costs."""
    assert np.mean([_linear_net(registry, seed) for seed in range(6)]) > 0.1e-4


def _linear_net(registry: FeatureRegistry, seed: int) -> float:
    """Net log-return a bar of the sign of a ridge regression, traded every 72 bars."""
    candles = sample_market(seed=seed)
    matrix = build_features(candles, registry.names, registry)
    bars, horizon, cost = len(candles), 72, 6e-4
    train, test = np.arange(matrix.lookback, int(0.7 * bars)), int(0.85 * bars)
    values = RobustScaler.fit(matrix.values[train], matrix.columns).transform(matrix.values)
    log_open = np.log(candles.open)
    target = log_open[1 + horizon :] - log_open[1:-horizon]
    gram = values[train].T @ values[train] + 100 * np.eye(values.shape[1])
    weights = np.linalg.solve(gram, values[train].T @ target[train])
    decisions = np.arange(test, bars - 1 - horizon, horizon)
    position = np.sign(values[decisions] @ weights)
    turnover = np.abs(np.diff(position, prepend=0)).sum()
    net = (position * target[decisions]).sum() - cost * turnover
    return float(net) / (len(decisions) * horizon)


def test_too_few_bars() -> None:
    with pytest.raises(DataError, match="1,000 or more"):
        sample_market(999)
