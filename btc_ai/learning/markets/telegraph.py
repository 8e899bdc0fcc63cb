"""G1, telegraph: the drift is +μ or −μ and switches with probability p a bar.

    r_{t+1} = μ·s_t + σ·η,    s_{t+1} = −s_t with probability p, else s_t

The regime s is seen; η is standard normal. Held for d bars from regime s, a long position earns
s·m, m = μ·(1 − (1 − 2p)^d) / 2p, and the next decision finds the other regime with probability
q = (1 − (1 − 2p)^d) / 2. Either every switch is worth its cost of 2c or none is:

    best value = max(0, m − 2·c·q) / d,    for d = 1: max(0, μ − 2·c·p).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.markets import signals
from btc_ai.learning.markets.market import (
    BPS,
    SIGMA,
    Array,
    Optimum,
    candles_from,
    returns_after,
    stay_flat,
)
from btc_ai.learning.network import POSITIONS
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry


@dataclass(frozen=True)
class Telegraph:
    """G1. `drift` and `sigma` are fractions a bar; `switching` is p, in (0, ½)."""

    drift: float = 2e-4
    switching: float = 0.05
    sigma: float = SIGMA
    name: str = "G1"
    title: str = "telegraph: a drift that switches sign"
    cost_bps: float = 5.0
    features: tuple[str, ...] = ("signal",)

    def candles(self, bars: int, seed: int) -> Candles:
        """The regime is the logarithm of the volume."""
        generator = np.random.default_rng(seed)
        switches = generator.random(bars) < self.switching
        regime = np.where(np.cumsum(switches) % 2, -1.0, 1.0)
        noise = self.sigma * generator.standard_normal(bars)
        returns = returns_after(self.drift * regime, noise)
        return candles_from(self.name, seed, returns, np.exp(regime))

    def register(self, registry: FeatureRegistry) -> None:
        """`signal`: the regime."""
        registry.register("signal", signals.signal, lookback=0)

    def expected_returns(self, candles: Candles) -> Array:
        """μ·s_t."""
        return self.drift * np.sign(np.log(candles.volume))

    def optimum(self, interval: int, cost: float) -> Optimum:
        """The closed form of the module's equations."""
        p = self.switching
        q = (1 - (1 - 2 * p) ** interval) / 2
        earned = (self.drift * q / p - 2 * cost * q) / interval
        if earned <= 0:
            return Optimum(0.0, "exact", stay_flat)
        return Optimum(earned * BPS, "exact", _follow_the_regime)


def _follow_the_regime(candles: Candles) -> NDArray[np.int64]:
    position = np.where(candles.volume > 1, POSITIONS.index(1), POSITIONS.index(-1))
    return np.repeat(position[:, None], len(POSITIONS), axis=1)
