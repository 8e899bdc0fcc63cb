"""What exact timing says a decision earns, straight from the candles, and when an order was filled.

A decision at the close of bar t is filled at the open of t + 1; held for one bar it earns
log(open[t+2] / open[t+1]). All of this is independent of `learning.environment`, which it judges.
"""

import numpy as np
from numpy.typing import NDArray

from btc_ai.market.candles import Candles

TOLERANCE = 1e-6
Array = NDArray[np.float64]


def exact_returns(candles: Candles) -> Array:
    """log(open[t+2] / open[t+1]) of every bar [bars]; NaN where bars t … t+2 have a hole or end."""
    return _earned(candles, np.log(candles.open), 1)


def fill(candles: Candles, earned: Array) -> str:
    """When orders were filled, in words, by one-bar returns [bars] of a unit position held."""
    log_open, log_close = np.log(candles.open), np.log(candles.close)
    possible = {
        "at the open of the next bar, as they should be": (log_open, 1),
        "at the close of the very bar that the decision was taken on": (log_close, 0),
        "at the open of the bar that the decision was taken on, before it was seen": (log_open, 0),
        "at the close of the next bar": (log_close, 1),
        "one bar late, at the open after the next": (log_open, 2),
    }
    for words, (price, delay) in possible.items():
        expected = _earned(candles, price, delay)
        known = ~np.isnan(expected) & ~np.isnan(earned)
        if known.any() and np.abs(expected - earned)[known].max() < TOLERANCE:
            return f"orders are filled {words}"
    return "no fill at an open or a close explains it"


def _earned(candles: Candles, price: Array, delay: int) -> Array:
    earned = np.full(len(candles), np.nan)
    last = len(candles) - delay - 1
    same = candles.segment_ids[delay + 1 :] == candles.segment_ids[:last]
    moved = price[delay + 1 :] - price[delay : delay + last]
    earned[:last] = np.where(same, moved, np.nan)
    return earned
