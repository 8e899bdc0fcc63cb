from collections.abc import Callable

import numpy as np
import pytest

from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from btc_ai.paths import trials_file


def trending(make_candles: Callable[..., Candles], bars: int, seed: int = 1) -> Candles:
    """A market with so strong a trend that a small agent trades on it at once."""
    generator = np.random.default_rng(seed)
    trend = np.zeros(bars)
    for t in range(1, bars):
        trend[t] = 0.97 * trend[t - 1] + 3e-4 * generator.standard_normal()
    returns = trend + 10e-4 * generator.standard_normal(bars)
    return make_candles(30_000 * np.exp(np.cumsum(returns)))


@pytest.fixture(scope="session")
def trend(make_candles: Callable[..., Candles]) -> Candles:
    return trending(make_candles, 8_000)


@pytest.fixture(scope="session")
def trader() -> TrainingSettings:
    """A bucket that learns to trade the trend in well under a second."""
    return TrainingSettings(
        bucket="Trader",
        min_horizon=2,
        max_horizon=24,
        features=("price", "rsi"),
        learning_rate=2e-3,
        buffer_size=2_000,
        batch_size=8,
        episodes=8,
        seed=5,
        cost_bps=1,
    )


@pytest.fixture(scope="package")
def trained(
    trend: Candles, trader: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> BucketResult:
    """A model that trades, and its trial in `ledger_of(trained)`."""
    root = tmp_path_factory.mktemp("models")
    ledger = TrialLedger(trials_file(root))
    directory = root / "Trader" / "run"
    result = train_bucket(trader, trend, builtin_features(), directory, ledger=ledger)
    assert result.evaluation["model"].trades > 20
    return result


def ledger_of(result: BucketResult) -> TrialLedger:
    return TrialLedger(trials_file(result.model.parents[1]))
