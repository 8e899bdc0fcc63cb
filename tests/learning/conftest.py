import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    with reproducible(threads=1):
        yield


@pytest.fixture(scope="session")
def btc_2023() -> Candles:
    folder = Path(os.environ.get("BTC_AI_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / "btcusdt_5m_2023.parquet"
    assert path.exists(), f"real candles are missing at {path}; set BTC_AI_TEST_DATA"
    frame = pd.read_parquet(path)
    return Candles(
        symbol="BTC/USDT",
        interval="5m",
        time=np.asarray(frame["timestamp"].astype("datetime64[ms, UTC]").astype("int64"), np.int64),
        open=frame["open"].to_numpy(np.float64),
        high=frame["high"].to_numpy(np.float64),
        low=frame["low"].to_numpy(np.float64),
        close=frame["close"].to_numpy(np.float64),
        volume=frame["volume"].to_numpy(np.float64),
        source=path.name,
    )


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


@pytest.fixture
def walk(make_candles: MakeCandles) -> Candles:
    shocks = np.random.default_rng(3).standard_normal(6_000) * 20e-4
    return make_candles(30_000 * np.exp(np.cumsum(shocks)))


@pytest.fixture
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
