"""Features of the known markets: what they hide in their candles, and noise that says nothing."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.markets.market import Array
from btc_ai.market.candles import Candles

NOISE_FEATURES = 12

Words = NDArray[np.uint64]


def signal(candles: Candles) -> Mapping[str, Array]:
    """The hidden signal x; a known market's volume is exp(x)."""
    return {"x": np.log(candles.volume)}


def bar(candles: Candles) -> Mapping[str, Array]:
    """The log-return of the bar that has just closed."""
    return {"return": np.log(candles.close / candles.open)}


def noise(candles: Candles) -> Mapping[str, Array]:
    """12 columns of standard normal noise.

    A hash of each bar's time and volume and the column (SplitMix64: Steele, Lea & Flood 2014)
    gives two uniforms, and those a normal (Box & Muller 1958), so that a value depends on its
    own bar alone.
    """
    key = split_mix(candles.time.astype(np.uint64)) ^ candles.volume.view(np.uint64)
    return {str(column): _normal(key, column) for column in range(NOISE_FEATURES)}


def _normal(key: Words, column: int) -> Array:
    first, second = (
        (split_mix(key + np.uint64(2 * column + half)) >> np.uint64(11)) * 2.0**-53
        for half in range(2)
    )
    return np.asarray(np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second))


def split_mix(words: Words) -> Words:
    """SplitMix64's finaliser over its golden-ratio step; wraps around silently."""
    mixed = (words + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
