"""Causal volatility of each bar, the unit in which horizon targets are measured."""

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from btc_ai.market.candles import Candles

FLOOR = 1e-5


def volatility(candles: Candles, span: int = 288, floor: float = FLOOR) -> NDArray[np.float64]:
    """σ_t of log close returns a bar, known at the close of bar t; shape [bars], at least `floor`.

    An exponentially weighted mean of squared returns, α = 2 / (span + 1), corrected for its start
    as in Adam (Kingma & Ba 2015); RiskMetrics (1996) without the fixed λ. A return across a hole
    is left out, and the state carries over it.
    """
    alpha = 2.0 / (span + 1.0)
    log_close = np.log(candles.close)
    adjacent = np.diff(candles.segment_ids, prepend=-1) == 0
    squares = (np.diff(log_close, prepend=log_close[:1])[adjacent] ** 2).tolist()
    # A plain recursion, so that a bar's value never depends on how many bars follow it.
    means = list(accumulate(squares, lambda mean, x: mean + alpha * (x - mean), initial=0.0))
    weights = list(accumulate(squares, lambda w, _: w + alpha * (1.0 - w), initial=0.0))
    variance = np.array(means) / np.maximum(np.array(weights), alpha)
    sigma = np.maximum(np.sqrt(variance), floor)
    return np.asarray(sigma[np.cumsum(adjacent)])
