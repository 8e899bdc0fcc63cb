"""Candles to test on: the real ones, and small random ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, builtin_features
from btc_ai.market.importer import ImportSettings, read_candles

START = np.datetime64("2023-01-01T00:00", "ms").astype(np.int64)

MakeCandles = Callable[..., Candles]


def _read(path: Path, interval: str) -> Candles:
    settings = ImportSettings(symbol="BTC/USDT", interval=interval)
    return read_candles(path, settings).candles


@pytest.fixture(scope="session")
def btc_5m(real_data: Path) -> Candles:
    """A year of real 5-minute candles with one hole."""
    return _read(real_data / "btcusdt_5m_2023.parquet", "5m")


@pytest.fixture(scope="session")
def btc_1h(real_data: Path) -> Candles:
    """Seven years of real hourly candles with 28 holes."""
    return _read(real_data / "btcusdt_1h_2017_2024.parquet", "1h")


@pytest.fixture(scope="session")
def registry() -> FeatureRegistry:
    """The guide's features."""
    return builtin_features()


@pytest.fixture(scope="session")
def make_candles() -> MakeCandles:
    """Random sound candles: `make_candles(bars, seed, **replacements)`."""

    def make(bars: int = 50, seed: int = 0, **replacements: object) -> Candles:
        rng = np.random.default_rng(seed)
        close = 20_000 * np.exp(np.cumsum(1e-3 * rng.standard_normal(bars)))
        open_ = np.concatenate([[20_000.0], close[:-1]])
        high = np.maximum(open_, close) * (1 + 1e-3 * rng.random(bars))
        low = np.minimum(open_, close) * (1 - 1e-3 * rng.random(bars))
        time = START + 300_000 * np.arange(bars, dtype=np.int64)
        values = [open_, high, low, close, rng.random(bars) * 100]
        candles = Candles.of("BTC/USDT", "5m", time, values, source="random")
        return replace(candles, **replacements)  # type: ignore[arg-type]

    return make
