"""G2, AR(1): a seen signal foretells a little of each bar.

    r_{t+1} = β·σ·x_t + σ·η,    x_{t+1} = ρ·x_t + √(1 − ρ²)·ε

η and ε are standard normal, and the signal explains R² ≈ β² of a bar. The best policy under
proportional cost holds a band: at 5 bps it enters above x = .74. Solved by dynamic programming.
"""

from dataclasses import dataclass

import numpy as np

from btc_ai.learning.markets import signals
from btc_ai.learning.markets.market import SIGMA, Array, Optimum, candles_from, returns_after
from btc_ai.learning.markets.solvers import autoregressive_chain, solved
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry
from btc_ai.market.sample import ar1


@dataclass(frozen=True)
class AutoregressiveMarket:
    """G2. `sigma` is the volatility of a bar as a fraction.

    With the feature `bar` besides, each bar's own return is seen, which foretells nothing: a
    pipeline that fills orders a bar too early would profit from it, and so gives itself away.
    """

    beta: float = 0.1
    rho: float = 0.9
    sigma: float = SIGMA
    name: str = "G2"
    title: str = "AR(1): a weak signal among noise"
    cost_bps: float = 5.0
    features: tuple[str, ...] = ("signal", "noise")

    def candles(self, bars: int, seed: int) -> Candles:
        """The signal is the logarithm of the volume."""
        generator = np.random.default_rng(seed)
        signal = ar1(generator, bars, self.rho)
        noise = self.sigma * generator.standard_normal(bars)
        returns = returns_after(self.beta * self.sigma * signal, noise)
        return candles_from(self.name, seed, returns, np.exp(signal))

    def register(self, registry: FeatureRegistry) -> None:
        """`signal`: x. `noise`: 12 columns that say nothing. `bar`: the bar's return."""
        registry.register("signal", signals.signal, lookback=0)
        registry.register("noise", signals.noise, lookback=0)
        registry.register("bar", signals.bar, lookback=0)

    def expected_returns(self, candles: Candles) -> Array:
        """β·σ·x_t."""
        return self.beta * self.sigma * np.log(candles.volume)

    def optimum(self, interval: int, cost: float) -> Optimum:
        """By dynamic programming on a Tauchen grid."""
        chain = autoregressive_chain(self.rho, self.beta * self.sigma, interval)
        return solved(chain, interval, cost, lambda candles: np.log(candles.volume))
