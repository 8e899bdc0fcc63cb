"""G3, OU: the log-price returns to a known level.

    y_{t+1} = φ·y_t + s·ε,    so r_{t+1} = −(1 − φ)·y_t + s·ε

y is the close's log-price above the level, ε standard normal. y / (s / √(1 − φ²)) is an AR(1) of
unit variance, so the market is solved as G2 is.
"""

import math
from dataclasses import dataclass

import numpy as np

from btc_ai.learning.markets.market import FIRST_PRICE, SIGMA, Array, Optimum, candles_from
from btc_ai.learning.markets.solvers import autoregressive_chain, solved
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry
from btc_ai.market.sample import ar1


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """G3. `persistence` is φ a bar; `sigma` is s, the shock of a bar as a fraction."""

    persistence: float = 0.95
    sigma: float = SIGMA
    name: str = "G3"
    title: str = "OU: a price that returns to its level"
    cost_bps: float = 5.0
    features: tuple[str, ...] = ("level",)

    @property
    def spread(self) -> float:
        """Standard deviation of y."""
        return self.sigma / math.sqrt(1 - self.persistence**2)

    def candles(self, bars: int, seed: int) -> Candles:
        """The volume says nothing."""
        generator = np.random.default_rng(seed)
        above = self.spread * ar1(generator, bars, self.persistence)
        volume = np.exp(generator.standard_normal(bars))
        return candles_from(self.name, seed, np.diff(above, prepend=0.0), volume)

    def register(self, registry: FeatureRegistry) -> None:
        """`level`: y."""
        registry.register("level", lambda candles: {"above": _above(candles)}, lookback=0)

    def expected_returns(self, candles: Candles) -> Array:
        """−(1 − φ)·y_t."""
        return -(1 - self.persistence) * _above(candles)

    def optimum(self, interval: int, cost: float) -> Optimum:
        """By dynamic programming on a Tauchen grid."""
        mean = -(1 - self.persistence) * self.spread
        chain = autoregressive_chain(self.persistence, mean, interval)
        return solved(chain, interval, cost, lambda candles: _above(candles) / self.spread)


def _above(candles: Candles) -> Array:
    return np.log(candles.close / FIRST_PRICE)
