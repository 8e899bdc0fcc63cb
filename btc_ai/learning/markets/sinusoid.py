"""G4, sinusoid: the log-price swings by ±A about a random walk, in a cycle of T bars.

    r_{t+1} = A·[sin(2π(t+1)/T) − sin(2πt/T)] + σ·η

The phase is seen; η is standard normal. From trough to peak there are 2A to be earned, and as
much from peak to trough; turning costs 2c. With T a multiple of 4, so that bars close on peak and
trough, the best value of decisions at every bar is max(0, 4A − 4c) a cycle. For decisions every d
bars it is found by dynamic programming on the T phases.
"""

from dataclasses import dataclass

import numpy as np

from btc_ai.learning.markets.market import BPS, SIGMA, Array, Optimum, candles_from, returns_after
from btc_ai.learning.markets.solvers import Chain, solved
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry


@dataclass(frozen=True)
class Sinusoid:
    """G4. `amplitude` A and `sigma` are fractions; `period` T is in bars, a multiple of 4."""

    amplitude: float = 30e-4
    period: int = 48
    sigma: float = SIGMA
    name: str = "G4"
    title: str = "sinusoid: a cycle in noise"
    cost_bps: float = 5.0
    features: tuple[str, ...] = ("cycle",)

    def candles(self, bars: int, seed: int) -> Candles:
        """The cycle is kept by the clock; the volume says nothing."""
        generator = np.random.default_rng(seed)
        noise = self.sigma * generator.standard_normal(bars)
        volume = np.exp(generator.standard_normal(bars))
        blank = candles_from(self.name, seed, np.zeros(bars), volume)
        returns = returns_after(self.expected_returns(blank), noise)
        return candles_from(self.name, seed, returns, volume)

    def register(self, registry: FeatureRegistry) -> None:
        """`cycle`: sine and cosine of the phase at the bar's close."""
        registry.register("cycle", self._cycle, lookback=0)

    def expected_returns(self, candles: Candles) -> Array:
        """A·[sin(2π(t+1)/T) − sin(2πt/T)]."""
        return self._climb(self._phase(candles), 1)

    def optimum(self, interval: int, cost: float) -> Optimum:
        """Exact: the closed form where every bar is decided on, else a programme of T phases."""
        phases = np.arange(self.period, dtype=np.float64)
        following = (np.arange(self.period) + interval) % self.period
        transition = np.eye(self.period)[following]
        chain = Chain(phases, transition, self._climb(phases, interval))
        found = solved(chain, interval, cost, self._phase)
        if interval > 1:
            return found
        cycle = max(0.0, 4 * self.amplitude - 4 * cost)
        return Optimum(cycle / self.period * BPS, "exact", found.policy)

    def _phase(self, candles: Candles) -> Array:
        """Bars into the cycle [bars], 0 … T − 1."""
        return (candles.time // candles.step % self.period).astype(np.float64)

    def _climb(self, phase: Array, bars: int) -> Array:
        turn = 2 * np.pi / self.period
        return self.amplitude * (np.sin(turn * (phase + bars)) - np.sin(turn * phase))

    def _cycle(self, candles: Candles) -> dict[str, Array]:
        angle = 2 * np.pi / self.period * self._phase(candles)
        return {"sine": np.sin(angle), "cosine": np.cos(angle)}
