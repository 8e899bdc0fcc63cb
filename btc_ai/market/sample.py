"""The built-in sample market: synthetic, seeded, and with a known weak signal to be found.

Log-return of a bar: `r_t = σ_t (β x_t + ε_t)`.

- `x` is the planted signal, a hidden drift: AR(1) with unit variance, ρ = .99, so it halves in 69
  bars. It shows in returns alone, as momentum over one to two hundred bars.
- `σ_t` is stochastic volatility (Taylor 1986): log σ is AR(1), φ = .99, sd .35, around 15 bps.
- `ε` is Student's t with 5 degrees of freedom, at unit variance: fat tails.

Strength: whoever saw `x` itself would explain β² / (1 + β²) = 1.0 % of a bar's variance. From past
returns the Kalman filter, which is the best linear estimate, explains 0.26 %
(`predictable_r2`). That is far more than any real market grants: what an agent earns here shows
that it learns, and nothing about BTC.
"""

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from btc_ai.config import SAMPLE_SYMBOL
from btc_ai.errors import DataError
from btc_ai.market.candles import Candles, interval_ms
from btc_ai.market.store import CandleStore

BARS = 120_000
BETA = 0.1
RHO = 0.99
SIGMA = 15e-4
SIGMA_PERSISTENCE = 0.99
SIGMA_SPREAD = 0.35
FREEDOM = 5.0
STEPS = 12
START = np.datetime64("2024-01-01T00:00", "ms")
FIRST_PRICE = 20_000.0

Array = NDArray[np.float64]


def sample_market(bars: int = BARS, seed: int = 0) -> Candles:
    """`bars` 5-minute candles of SAMPLE/USDT; the same seed gives the same candles.

    Each bar is walked in 12 steps, for its high and low; volume grows with the bar's volatility.
    Raises DataError below 1,000 bars.
    """
    if bars < 1_000:
        raise DataError(f"a sample market of {bars} bars teaches nothing: ask for 1,000 or more")
    rng = np.random.default_rng(seed)
    signal = ar1(rng, bars, RHO)
    log_sigma = SIGMA_SPREAD * ar1(rng, bars, SIGMA_PERSISTENCE)
    # A normal over the root of an independent χ²/ν is Student's t; (ν−2)/ν makes its variance 1.
    tail = np.sqrt((FREEDOM - 2) / rng.chisquare(FREEDOM, bars))
    sigma = SIGMA * np.exp(log_sigma)
    steps = rng.standard_normal((bars, STEPS)) * (sigma * tail / np.sqrt(STEPS))[:, None]
    path = np.cumsum(steps + (sigma * BETA * signal / STEPS)[:, None], axis=1)
    noise = 0.5 * ar1(rng, bars, 0.9)
    volume = 50.0 * np.exp(noise + 0.8 * (log_sigma + np.log(tail)))
    return _candles(path, volume, seed)


def save_sample(store: CandleStore, candles: Candles, *, replace: bool) -> None:
    """Store a sample market; raises DataError where another one stands, unless `replace`."""
    if not replace and store.exists(candles.symbol, candles.interval):
        stored = store.read(candles.symbol, candles.interval)
        if stored.sha256 != candles.sha256:
            raise DataError(
                f"another sample market of {len(stored):,} bars is stored in {store.data_dir}; "
                "--replace replaces it"
            )
    store.save(candles)


def _candles(path: Array, volume: Array, seed: int) -> Candles:
    ends = np.log(FIRST_PRICE) + np.cumsum(path[:, -1])
    starts = np.concatenate([[np.log(FIRST_PRICE)], ends[:-1]])
    low = starts + np.minimum(path.min(axis=1), 0.0)
    high = starts + np.maximum(path.max(axis=1), 0.0)
    time = START.astype(np.int64) + interval_ms("5m") * np.arange(len(path), dtype=np.int64)
    values = [np.round(np.exp(log_price), 2) for log_price in (starts, high, low, ends)]
    values.append(np.round(volume, 5))
    source = f"btc-ai sample market, seed {seed} (synthetic)"
    return Candles.of(SAMPLE_SYMBOL, "5m", time, values, source=source, synthetic=True)


def ar1(rng: np.random.Generator, bars: int, persistence: float) -> Array:
    """A stationary AR(1) of unit variance [bars]."""
    shocks = rng.standard_normal(bars)
    shocks[1:] *= np.sqrt(1 - persistence**2)
    return np.array(list(accumulate(shocks.tolist(), lambda x, shock: shock + persistence * x)))


def predictable_r2(beta: float = BETA, rho: float = RHO) -> float:
    """Share of a bar's variance that past returns foretell, by the steady-state Kalman filter.

    P, the variance of the error in predicting βx before the bar, solves the Riccati equation
    `P² + P (1 − ρ²)(1 − β²) − β² (1 − ρ²) = 0` for unit noise (Kalman 1960).
    """
    fade = 1 - rho**2
    linear = fade * (1 - beta**2)
    error = (-linear + np.sqrt(linear**2 + 4 * beta**2 * fade)) / 2
    return float((beta**2 - error) / (1 + beta**2))
