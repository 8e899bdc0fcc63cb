from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.importer import ImportSettings, read_candles


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    with reproducible(threads=1):
        yield


@pytest.fixture(scope="session")
def btc_2023(real_data: Path) -> Candles:
    settings = ImportSettings(symbol="BTC/USDT", interval="5m")
    return read_candles(real_data / "btcusdt_5m_2023.parquet", settings).candles


class MakeCandles(Protocol):
    def __call__(
        self, close: NDArray[np.float64], open_: NDArray[np.float64] | None = None
    ) -> Candles: ...


@pytest.fixture(scope="session")
def make_candles() -> MakeCandles:
    """Hole-free 5-minute candles around these closes."""
    return _candles


def _candles(close: NDArray[np.float64], open_: NDArray[np.float64] | None = None) -> Candles:
    bars = len(close)
    opened = np.concatenate([close[:1], close[:-1]]) if open_ is None else open_
    noise = np.random.default_rng(7)
    wick = 1 + 1e-4 * noise.random(bars)
    return Candles(
        symbol="TEST/USDT",
        interval="5m",
        time=np.arange(bars, dtype=np.int64) * 300_000,
        open=opened,
        high=np.maximum(opened, close) * wick,
        low=np.minimum(opened, close) / wick,
        close=close,
        volume=np.exp(noise.standard_normal(bars)),
        source="test",
    )


@pytest.fixture(scope="session")
def walk(make_candles: MakeCandles) -> Candles:
    shocks = np.random.default_rng(3).standard_normal(6_000) * 20e-4
    return make_candles(30_000 * np.exp(np.cumsum(shocks)))


@pytest.fixture(scope="session")
def small() -> TrainingSettings:
    """A bucket that trains in about half a second."""
    return TrainingSettings(
        bucket="Small",
        min_horizon=2,
        max_horizon=24,
        features=("price", "rsi"),
        buffer_size=1_000,
        batch_size=8,
        episodes=6,
        seed=5,
    )
