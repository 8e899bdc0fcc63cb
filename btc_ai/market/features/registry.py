"""The registry of features: what a plugin adds to."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.market.candles import Candles

Feature = Callable[[Candles], Mapping[str, NDArray[np.float64]]]
"""Named columns, each [bars], from one hole-free run of candles.

Causal: the value at bar t uses bars 0..t alone, and is the same to the last bit whatever follows.
The first `lookback` bars are warm-up and may hold anything; after them every value is finite.
"""

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class RegisteredFeature:
    """A feature, and how many bars at the start of a run it needs to warm up."""

    name: str
    function: Feature
    lookback: int

    def columns(self, candles: Candles) -> dict[str, NDArray[np.float64]]:
        """Its columns on one hole-free run, each [bars].

        Raises DataError, naming the feature, for whatever it raises and for another shape.
        """
        try:
            columns = self.function(candles)
            columns = {n: np.asarray(values, np.float64) for n, values in columns.items()}
        except MemoryError:  # for whoever guards the memory
            raise
        except Exception as error:  # a fence: it may be a plugin's
            raise DataError(
                f"feature {self.name!r} failed on {len(candles):,} bars of {candles.symbol} "
                f"{candles.interval}: {type(error).__name__}: {error}; mend or update its plugin, "
                "or leave the feature out of FEATURES"
            ) from error
        for name, column in columns.items():
            if column.shape != (len(candles),):
                raise DataError(
                    f"feature {self.name!r}: column {name!r} has shape {column.shape} for "
                    f"{len(candles)} bars; it must give one value a bar"
                )
        return columns


class FeatureRegistry:
    """Features by name, in the order in which they were registered."""

    def __init__(self) -> None:
        """An empty registry; `builtin_features` gives the guide's."""
        self._features: dict[str, RegisteredFeature] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._features)

    def register(self, name: str, function: Feature, lookback: int) -> None:
        """Add a feature; raises DataError for a bad name, one that is taken, or lookback < 0."""
        if NAME.fullmatch(name) is None:
            raise DataError(f"feature name {name!r}: use lower-case letters, digits, _ and -")
        if name in self._features:
            raise DataError(f"feature {name!r} is registered already: choose another name")
        if lookback < 0:
            raise DataError(f"feature {name!r}: lookback must be 0 or more bars, not {lookback}")
        self._features[name] = RegisteredFeature(name, function, lookback)

    def get(self, name: str) -> RegisteredFeature:
        """The feature; raises DataError naming the nearest known one."""
        if name in self._features:
            return self._features[name]
        near = difflib.get_close_matches(name.lower(), self._features, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(f"unknown feature {name!r}: {hint}Known: {', '.join(self.names)}")
