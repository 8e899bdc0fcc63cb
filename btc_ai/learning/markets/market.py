"""What a market with a known optimum offers, so that the whole pipeline can be held against it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry


@dataclass(frozen=True)
class Optimum:
    """The best policy's value in bps a bar, and how it was found (`exact` or `dynamic`)."""

    value_bps: float
    method: str


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

    def expected_returns(self, candles: Candles) -> NDArray[np.float64]:
        """Mean of log(open[t+2] / open[t+1]) given all that is seen at the close of bar t [bars].

        A policy is scored by these instead of the returns themselves, which takes the noise out.
        """

    def optimum(self, interval: int, cost: float) -> Optimum:
        """Best value for decisions every `interval` bars at `cost` (a fraction) a side."""
