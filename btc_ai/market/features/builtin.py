"""The eight features of the guide, stationary and causal, with TA-Lib for what it has.

TA-Lib's recursions run forward from the start of a hole-free run, so that a value never depends
on later bars. Prices enter as logarithms or as ratios: no column knows the price level.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import talib
from numpy.typing import NDArray

from btc_ai.market.candles import Candles
from btc_ai.market.features.registry import FeatureRegistry

DAY = 288
FLAT = 1e-6
RETRACEMENTS = (0.0, 0.236, 0.382, 0.5, 0.618, 0.786, 1.0)

Array = NDArray[np.float64]
Columns = Mapping[str, Array]


def builtin_features() -> FeatureRegistry:
    """A new registry with the guide's features; lookbacks in bars."""
    registry = FeatureRegistry()
    registry.register("price", price, lookback=72)
    registry.register("volume", volume, lookback=DAY)
    registry.register("macd", macd, lookback=150)
    registry.register("rsi", rsi, lookback=112)
    registry.register("ema", ema, lookback=DAY)
    registry.register("bollinger", bollinger, lookback=DAY)
    registry.register("ichimoku", ichimoku, lookback=78)
    registry.register("fibonacci", fibonacci, lookback=DAY)
    return registry


def _ratio(numerator: Array, denominator: Array, smallest: float = 0.0) -> Array:
    """The quotient, and 0 where the denominator is not above `smallest` (a flat market)."""
    usable = denominator > smallest
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=usable)


def _change(values: Array, bars: int) -> Array:
    change = np.full_like(values, np.nan)
    change[bars:] = values[bars:] - values[:-bars]
    return change


def price(candles: Candles) -> Columns:
    """Log-returns over 1, 6, 24 and 72 bars; the bar's log range; where in it the close lies."""
    log_close = np.log(candles.close)
    span = candles.high - candles.low
    return {
        **{f"return_{bars}": _change(log_close, bars) for bars in (1, 6, 24, 72)},
        "range": np.log(candles.high / candles.low),
        "place": _ratio(2 * candles.close - candles.high - candles.low, span),
    }


def volume(candles: Candles) -> Columns:
    """Log volume less its rolling median, of one bar and of twelve; money flow (MFI) in −1…1.

    A bar without trades counts as a thousandth of the median, or as the median where that is 0;
    flow is 0 where nothing was traded, where TA-Lib's MFI says "only outflow".
    """
    median = pd.Series(candles.volume).rolling(DAY).median().to_numpy()
    recent = talib.EMA(candles.volume, 12)
    flow = talib.MFI(candles.high, candles.low, candles.close, candles.volume, 14)

    def level(values: Array) -> Array:
        return np.where(median > 0, np.log(np.maximum(_ratio(values, median), 1e-3)), 0.0)

    traded = talib.MAX(candles.volume, 14) > 0
    return {
        "level": level(candles.volume),
        "recent": level(recent),
        "flow": np.where(traded, flow / 50 - 1, 0.0),
    }


def macd(candles: Candles) -> Columns:
    """MACD (12, 26, 9), its signal line and histogram, in units of ATR (14)."""
    line, signal, histogram = talib.MACD(candles.close, 12, 26, 9)
    atr = talib.ATR(candles.high, candles.low, candles.close, 14)
    smallest = FLAT * candles.close
    return {
        "line": np.where(atr > smallest, _ratio(line, atr), 0.0),
        "signal": np.where(atr > smallest, _ratio(signal, atr), 0.0),
        "histogram": np.where(atr > smallest, _ratio(histogram, atr), 0.0),
    }


def rsi(candles: Candles) -> Columns:
    """(RSI − 50) / 50 over 7, 14 and 28 bars, in −1…1.

    Computed as TA-Lib's CMO / 100: the same Wilder averages and the same number, but 0 where the
    price has not moved at all, where TA-Lib's RSI says "only falling".
    """
    return {f"rsi_{bars}": talib.CMO(candles.close, bars) / 100 for bars in (7, 14, 28)}


def ema(candles: Candles) -> Columns:
    """log(close / EMA) over 12, 48 and 144 bars; slope of the middle one over 12 bars."""
    averages = {bars: talib.EMA(candles.close, bars) for bars in (12, 48, 144)}
    distances = {f"ema_{bars}": np.log(candles.close / mean) for bars, mean in averages.items()}
    return {**distances, "slope": _change(np.log(averages[48]), 12)}


def bollinger(candles: Candles) -> Columns:
    """Bands of 20 bars, 2 σ, on the log close: %B − ½; width; width less its rolling median.

    On logarithms from the start of the run, so that TA-Lib's running sums of squares keep their
    digits; a width below 0.01 bp is a flat market.
    """
    log_close = np.log(candles.close / candles.close[0])
    upper, middle, lower = talib.BBANDS(log_close, 20, 2.0, 2.0)
    width = upper - lower
    usual = pd.Series(width).rolling(DAY - 20).median().to_numpy()
    return {
        "percent_b": _ratio(log_close - middle, width, FLAT),
        "width": width,
        "squeeze": np.log(np.maximum(width, FLAT) / np.maximum(usual, FLAT)),
    }


def ichimoku(candles: Candles) -> Columns:
    """Ichimoku (9, 26, 52) as log-distances; never the chikou span, which is a later close.

    The cloud over bar t was drawn 26 bars ago; `lead` is the one that bar t itself draws ahead.
    """

    def middle(bars: int) -> Array:
        return np.asarray(talib.MAX(candles.high, bars) + talib.MIN(candles.low, bars)) / 2

    tenkan, kijun = middle(9), middle(26)
    span_a, span_b = (tenkan + kijun) / 2, middle(52)
    cloud_a, cloud_b = (np.concatenate([np.full(26, np.nan), s[:-26]]) for s in (span_a, span_b))
    return {
        "cross": np.log(tenkan / kijun),
        "kijun": np.log(candles.close / kijun),
        "cloud_top": np.log(candles.close / np.maximum(cloud_a, cloud_b)),
        "cloud_bottom": np.log(candles.close / np.minimum(cloud_a, cloud_b)),
        "lead": np.log(span_a / span_b),
    }


def fibonacci(candles: Candles) -> Columns:
    """Where the close lies in the trailing range of 288 bars.

    `place` −½…½ within the range; `nearest` the signed distance to the nearest retracement level
    in shares of the range; `swing` −1…1, positive when the high is more recent than the low;
    `range` log(high / low).
    """
    high, low = talib.MAX(candles.high, DAY), talib.MIN(candles.low, DAY)
    age = talib.MAXINDEX(candles.high, DAY) - talib.MININDEX(candles.low, DAY)
    share = _ratio(candles.close - low, high - low)
    levels = np.array(RETRACEMENTS)
    middles = (levels[1:] + levels[:-1]) / 2
    return {
        "place": share - 0.5,
        "nearest": share - levels[np.searchsorted(middles, share)],
        "swing": age / DAY,
        "range": np.log(high / low),
    }
