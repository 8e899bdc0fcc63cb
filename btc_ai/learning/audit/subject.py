"""What is audited: candles, features and settings, and the pieces that turn them into training."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from btc_ai.api.step import StepStoppedError
from btc_ai.errors import DataError
from btc_ai.learning.audit.report import Finding
from btc_ai.learning.dataset import Dataset, needed_candles
from btc_ai.learning.environment import MarketEnvironment, greedy_table
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import COLUMNS, Candles, iso
from btc_ai.market.features import FeatureRegistry, build_features
from btc_ai.market.features.registry import RegisteredFeature
from btc_ai.market.scaler import RobustScaler
from btc_ai.market.volatility import volatility

Row = NDArray[np.float32]


def served_features(
    candles: Candles, registry: FeatureRegistry, settings: TrainingSettings, scaler: RobustScaler
) -> Row:
    """Scaled features of the last bar [1, columns], from the candles up to it alone."""
    matrix = build_features(candles, settings.features, registry)
    return scaler.transform(matrix.values[-1:], matrix.columns)


@dataclass(frozen=True)
class Pipeline:
    """The pieces that decide what a model learns and does; by default the product's own.

    `serve` and `act` are a live agent's: features of the last bar, and the greedy table of them.
    A test that plants a leak passes another piece.
    """

    dataset: Callable[[Candles, FeatureRegistry, TrainingSettings], Dataset] = Dataset.from_candles
    environment: Callable[[Dataset, TrainingSettings], MarketEnvironment] = MarketEnvironment
    serve: Callable[[Candles, FeatureRegistry, TrainingSettings, RobustScaler], Row] = (
        served_features
    )
    act: Callable[[QNetwork, Tensor, float], NDArray[np.int64]] = greedy_table
    volatility: Callable[[Candles], NDArray[np.float64]] = volatility


PRODUCT = Pipeline()


@dataclass(frozen=True)
class Effort:
    """How much is looked at: cut points a feature, datasets on changed candles, bars served."""

    cuts: int = 48
    scrambles: int = 5
    served: int = 12


QUICK = Effort(cuts=16, scrambles=1, served=3)


@dataclass(frozen=True, eq=False)
class Subject:
    """One bucket on one market. Building its dataset raises DataError for bad features."""

    candles: Candles
    registry: FeatureRegistry
    settings: TrainingSettings
    pipeline: Pipeline = PRODUCT
    effort: Effort = Effort()
    seed: int = 0
    should_stop: Callable[[], bool] = lambda: False

    @property
    def features(self) -> tuple[RegisteredFeature, ...]:
        """The features that the settings name; raises DataError for an unknown one."""
        return tuple(self.registry.get(name) for name in dict.fromkeys(self.settings.features))

    @property
    def needed(self) -> int:
        """How many candles the bucket needs at least."""
        return needed_candles(self.settings, max(one.lookback for one in self.features))

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset that training would learn from."""
        return self.pipeline.dataset(self.candles, self.registry, self.settings)

    @cached_property
    def environment(self) -> MarketEnvironment:
        """The environment that training would learn in."""
        return self.pipeline.environment(self.dataset, self.settings)

    def on(self, candles: Candles, settings: TrainingSettings | None = None) -> "Subject":
        """The same on other candles."""
        return dataclasses.replace(self, candles=candles, settings=settings or self.settings)

    def computable(self) -> "Subject":
        """The same without the features that cannot be computed here.

        A made-up market may leave a sound feature constant, one that counts bars without trades,
        say. Raises DataError where none is left.
        """
        try:
            assert len(self.dataset)
            return self
        except DataError:
            kept = tuple(name for name in self.settings.features if self._computes(name))
            if not kept:
                raise
            return self.on(self.candles, dataclasses.replace(self.settings, features=kept))

    def _computes(self, feature: str) -> bool:
        alone = dataclasses.replace(self.settings, features=(feature,))
        try:
            self.pipeline.dataset(self.candles, self.registry, alone)
        except DataError:
            return False
        return True

    def generator(self, *key: int) -> np.random.Generator:
        """A generator of its own for everything that is drawn."""
        return np.random.default_rng([self.seed, *key])

    def stop_if_asked(self) -> None:
        """Raise StepStoppedError once `should_stop` says so."""
        if self.should_stop():
            raise StepStoppedError("the audit was stopped before its end; it can be started again")

    def finding(self, part: str, detail: str, advice: str, bar: int | None = None) -> Finding:
        """A finding at a bar of these candles."""
        time = None if bar is None else iso(self.candles.time[bar])
        return Finding(part, detail, advice, bar, time)


def own_copy(candles: Candles) -> Candles:
    """The same candles in memory of their own, safe from a feature that writes into them."""
    arrays = {name: getattr(candles, name).copy() for name in ("time", *COLUMNS)}
    return dataclasses.replace(candles, **arrays)


def different(a: NDArray[np.generic], b: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True where two arrays of one type and shape differ in a bit."""
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return np.asarray(np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits))
