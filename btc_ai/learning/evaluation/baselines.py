"""Policies that learn nothing, by the same accounting, costs and timing on the same bars.

Each is a table of target positions that `MarketEnvironment.replay` walks through, so a baseline
decides every MIN_HORIZON bars in all phases, is filled at the next open and pays like the model.
"""

import numpy as np
import talib
from numpy.typing import NDArray

from btc_ai.learning.environment import FLAT, MarketEnvironment, Rollout
from btc_ai.learning.network import POSITIONS
from btc_ai.market.candles import Candles

LONG = POSITIONS.index(1)
Array = NDArray[np.float64]


def constant(environment: MarketEnvironment, part: slice) -> dict[str, Rollout]:
    """Always flat, and buy-and-hold."""
    bars = part.stop - part.start
    return {
        "flat": _follow(environment, part, np.zeros(bars)),
        "buy_and_hold": _follow(environment, part, np.ones(bars)),
    }


def baselines(
    environment: MarketEnvironment,
    candles: Candles,
    part: slice,
    like: Rollout,
    generator: np.random.Generator,
) -> dict[str, Rollout]:
    """All baselines on `part`: name to rollout.

    flat, buy_and_hold; macd: the side of the MACD (12, 26) line on which its signal (9) is not
    (Appel 2005); momentum: the sign of the return over the last MAX_HORIZON bars (Moskowitz, Ooi
    & Pedersen 2012); random: the trades of `like`, the model's rollout, at other times.
    `candles` are those of the environment.
    """
    lookback = environment.settings.max_horizon
    return {
        **constant(environment, part),
        "random": shifted(environment, part, like, generator),
        "macd": _follow(environment, part, macd_signal(candles)[part]),
        "momentum": _follow(environment, part, momentum_signal(candles, lookback)[part]),
    }


def macd_signal(candles: Candles) -> Array:
    """Sign of MACD line less signal line at each close [bars]; 0 in the warm-up of a run."""
    signal = np.zeros(len(candles))
    for run in candles.segments:
        histogram = talib.MACD(candles.close[run], 12, 26, 9)[2]
        signal[run] = np.sign(np.nan_to_num(histogram))
    return signal


def momentum_signal(candles: Candles, lookback: int) -> Array:
    """Sign of the return over `lookback` bars at each close [bars]; 0 where a hole hides it."""
    signal = np.zeros(len(candles))
    for run in candles.segments:
        close = candles.close[run]
        signal[run.start + lookback : run.stop] = np.sign(close[lookback:] - close[:-lookback])
    return signal


def shifted(
    environment: MarketEnvironment, part: slice, like: Rollout, generator: np.random.Generator
) -> Rollout:
    """A policy that knows nothing and trades exactly as much: `like`'s positions, shifted in time.

    Each account's sequence of decisions is turned round in a circle by the same random number of
    decisions (a circular shift), which keeps turnover, time in the market and holding times, but
    for the two ends and for holes.
    """
    interval, bars = environment.interval, part.stop - part.start
    rows = np.arange(bars)
    decided = like.positions[rows % interval, rows]
    whole = bars // interval * interval
    shift = interval * int(generator.integers(1, max(2, whole // interval)))
    turned = np.concatenate([np.roll(decided[:whole], shift), decided[whole:]])
    return _follow(environment, part, turned)


def _follow(environment: MarketEnvironment, part: slice, target: Array) -> Rollout:
    """Take the target position −1, 0 or 1 of each decision's bar [bars], whatever is held."""
    column = target.astype(np.int64) + FLAT
    return environment.replay(np.repeat(column[:, None], len(POSITIONS), axis=1), part)
