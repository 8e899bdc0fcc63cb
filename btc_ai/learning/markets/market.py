"""What a market with a known optimum offers, so that the whole pipeline can be held against it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.environment import FLAT
from btc_ai.learning.network import POSITIONS
from btc_ai.market.candles import Candles, interval_ms
from btc_ai.market.features import FeatureRegistry

BPS = 1e4
SIGMA = 20e-4
"""Volatility of a bar of most known markets."""
FIRST_PRICE = 20_000.0
START = np.datetime64("2024-01-01T00:00", "ms")

Array = NDArray[np.float64]
Policy = Callable[[Candles], NDArray[np.int64]]
"""Position indices for each bar and each position held before [bars, 3]."""


def stay_flat(candles: Candles) -> NDArray[np.int64]:
    """The policy that never trades."""
    return np.full((len(candles), len(POSITIONS)), FLAT)


@dataclass(frozen=True)
class Optimum:
    """The best policy's value in bps a bar, how it was found (`exact` or `dynamic`), the policy."""

    value_bps: float
    method: str
    policy: Policy = stay_flat


class KnownMarket(Protocol):
    """A synthetic market: candles, the features that show what is to be seen, the optimum.

    It goes through the same door as real candles: `candles` into `Dataset.from_candles`, with
    `features` from a registry to which `register` has added them. A feature is a function of the
    candles alone; what a market hides in its candles (a signal in the volume, say) its features
    read back.
    """

    @property
    def name(self) -> str:
        """Its id in the tables, such as `G2`."""

    @property
    def title(self) -> str:
        """What it is, in a few words."""

    @property
    def cost_bps(self) -> float:
        """Cost a side at which it is meant to be traded."""

    @property
    def features(self) -> tuple[str, ...]:
        """FEATURES of a bucket that trades it."""

    def candles(self, bars: int, seed: int) -> Candles:
        """`bars` candles, synthetic; the same seed gives the same ones."""

    def register(self, registry: FeatureRegistry) -> None:
        """Add its features."""

    def expected_returns(self, candles: Candles) -> Array:
        """Mean of log(open[t+2] / open[t+1]) given all that is seen at the close of bar t [bars].

        A policy is scored by these instead of the returns themselves, which takes the noise out.
        """

    def optimum(self, interval: int, cost: float) -> Optimum:
        """Best value for decisions every `interval` bars at `cost` (a fraction) a side."""


def candles_from(name: str, seed: int, returns: Array, volume: Array) -> Candles:
    """5-minute candles that open where the last one closed.

    returns: log(close / open) of each bar [bars]; volume: of each bar, above 0 [bars].
    """
    log_close = np.log(FIRST_PRICE) + np.cumsum(returns)
    close = np.exp(log_close)
    opened = np.concatenate([[FIRST_PRICE], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    return Candles.of(
        f"{name.replace('-', '')}/USDT",
        "5m",
        START.astype(np.int64) + interval_ms("5m") * np.arange(len(returns), dtype=np.int64),
        [opened, high, low, close, volume],
        source=f"btc-ai known market {name}, seed {seed} (synthetic)",
        synthetic=True,
    )


def returns_after(means: Array, noise: Array) -> Array:
    """Returns of each bar whose mean was seen at the close of the bar before [bars].

    The first bar, which nothing foretold, has its noise alone.
    """
    return np.asarray(np.concatenate([[0.0], means[:-1]]) + noise)
