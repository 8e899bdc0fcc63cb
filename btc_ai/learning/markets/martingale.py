"""G5, martingale: nothing foretells the next bar, and the best policy is to stay flat.

    r_{t+1} = σ_t·η,    σ_t² = σ²·(1 − α − b) + α·r_t² + b·σ_{t−1}²

With α = b = 0 and normal η returns are independent. As GARCH-t (Bollerslev 1987) volatility
clusters and η is Student's t of unit variance: wild stretches look like something to be traded.
"""

from dataclasses import dataclass

import numpy as np

from btc_ai.learning.markets import signals
from btc_ai.learning.markets.market import SIGMA, Array, Optimum, candles_from
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry
from btc_ai.market.sample import ar1

PERSISTENCE = 0.9


@dataclass(frozen=True)
class Martingale:
    """G5. `sigma` is the volatility of a bar; `freedom` of Student's t, None for normal."""

    sigma: float = SIGMA
    reaction: float = 0.0
    memory: float = 0.0
    freedom: float | None = None
    name: str = "G5"
    title: str = "martingale: nothing to be found"
    cost_bps: float = 5.0
    features: tuple[str, ...] = ("signal", "bar", "noise")

    def candles(self, bars: int, seed: int) -> Candles:
        """The volume is exp of an AR(1), ρ = .9, that has nothing to do with returns."""
        generator = np.random.default_rng(seed)
        volume = np.exp(ar1(generator, bars, PERSISTENCE))
        return candles_from(self.name, seed, self._returns(generator, bars), volume)

    def register(self, registry: FeatureRegistry) -> None:
        """`signal`: log volume. `bar`: the bar's return. `noise`: 12 columns."""
        registry.register("signal", signals.signal, lookback=0)
        registry.register("bar", signals.bar, lookback=0)
        registry.register("noise", signals.noise, lookback=0)

    def expected_returns(self, candles: Candles) -> Array:
        """0."""
        return np.zeros(len(candles))

    def optimum(self, interval: int, cost: float) -> Optimum:
        """Flat, which earns 0."""
        return Optimum(0.0, "exact")

    def _returns(self, generator: np.random.Generator, bars: int) -> Array:
        if self.freedom is None:
            shocks = generator.standard_normal(bars)
        else:
            unit = np.sqrt((self.freedom - 2) / self.freedom)
            shocks = unit * generator.standard_t(self.freedom, bars)
        long_run = self.sigma**2 * (1 - self.reaction - self.memory)
        variance, returns = self.sigma**2, []
        for shock in shocks.tolist():
            returns.append(variance**0.5 * shock)
            variance = long_run + self.reaction * returns[-1] ** 2 + self.memory * variance
        return np.array(returns)
