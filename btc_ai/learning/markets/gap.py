"""G7, the gap canary: a market that pays only whoever is filled before the decision can be known.

The next open jumps on in the direction of the bar that has just closed,

    open' = close · exp(g · sign(close / open)),

and within a bar all is chance: log(close / open) = σ·η, η standard normal, independent. A
decision at the close of bar t is filled at the open of t + 1, behind the jump, so that nothing
can be earned: the best policy is flat, exactly. An order filled at the close that it was decided
on takes the jump and leaks max(0, g − c) a bar, c being the cost a side: half of all bars turn
the position, at 2c.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.markets.market import Optimum
from btc_ai.market.candles import Candles, interval_ms
from btc_ai.market.features import FeatureRegistry

FEATURE = "bar_direction"
FIRST_PRICE = 20_000.0
WICK = 1e-4


@dataclass(frozen=True)
class GapMarket:
    """G7. `gap_bps` is the jump g, `sigma_bps` the volatility within a bar."""

    gap_bps: float = 20.0
    sigma_bps: float = 20.0
    cost_bps: float = 10.0
    interval: str = "5m"
    name: str = "G7"
    title: str = "gap canary"
    features: tuple[str, ...] = (FEATURE,)

    def candles(self, bars: int, seed: int) -> Candles:
        """`bars` synthetic candles; volume is lognormal and says nothing."""
        generator = np.random.default_rng([seed, 7])
        moves = self.sigma_bps * 1e-4 * generator.standard_normal(bars)
        gaps = self.gap_bps * 1e-4 * np.sign(moves)
        log_close = np.log(FIRST_PRICE) + np.cumsum(moves + np.concatenate([[0.0], gaps[:-1]]))
        open_, close = np.exp(log_close - moves), np.exp(log_close)
        high = np.maximum(open_, close) * (1 + WICK * generator.random(bars))
        low = np.minimum(open_, close) * (1 - WICK * generator.random(bars))
        volume = np.exp(generator.standard_normal(bars))
        time = interval_ms(self.interval) * np.arange(bars, dtype=np.int64)
        values = [open_, high, low, close, volume]
        source = f"{self.name} {self.title}, seed {seed} (synthetic)"
        return Candles.of("GAP/USDT", self.interval, time, values, source=source, synthetic=True)

    def register(self, registry: FeatureRegistry) -> None:
        """Add `bar_direction`, all that there is to see."""
        registry.register(FEATURE, bar_direction, lookback=0)

    def expected_returns(self, candles: Candles) -> NDArray[np.float64]:
        """Zero for every bar: the jump is over before the order is filled."""
        return np.zeros(len(candles))

    def optimum(self, interval: int, cost: float) -> Optimum:
        """Zero, flat, at any interval and any cost."""
        return Optimum(0.0, "exact")

    def leak_bps(self, cost: float) -> float:
        """What filling at the close would earn, bps a bar, deciding every bar."""
        return max(0.0, self.gap_bps - cost * 1e4)


def bar_direction(candles: Candles) -> Mapping[str, NDArray[np.float64]]:
    """Sign and size of log(close / open)."""
    move = np.log(candles.close / candles.open)
    return {"sign": np.sign(move), "move": move}
