"""Candles as the learner sees them: scaled features, log prices, and the three parts in time."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from btc_ai.api.settings import TRAIN_SHARE, VALIDATION_SHARE, least_candles
from btc_ai.errors import DataError
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles, interval_ms
from btc_ai.market.features import FeatureMatrix, FeatureRegistry, build_features
from btc_ai.market.scaler import RobustScaler
from btc_ai.market.volatility import volatility

TEST_SHARE = 1 - TRAIN_SHARE - VALIDATION_SHARE


@dataclass(frozen=True)
class Splits:
    """Training, validation and test part as bar ranges, in this order in time."""

    train: slice
    validation: slice
    test: slice

    @classmethod
    def by_time(cls, bars: int, purge: int) -> "Splits":
        """70/15/15 by time. `purge` bars before validation and test belong to no part.

        The purged bars are taken from the earlier part, so that all buckets are validated
        and tested on the same bars (López de Prado 2018, chapter 7).
        """
        first, second = round(TRAIN_SHARE * bars), round((1 - TEST_SHARE) * bars)
        return cls(slice(0, first - purge), slice(first, second - purge), slice(second, bars))

    def __iter__(self) -> Iterator[slice]:
        """Training, validation, test."""
        return iter((self.train, self.validation, self.test))

    def times(self, candles: Candles) -> dict[str, list[int]]:
        """[start, end) of each part in ms, by the open times of the candles."""
        return {
            field.name: [
                int(candles.time[part.start]),
                int(candles.time[part.stop - 1]) + candles.step,
            ]
            for field, part in zip(dataclasses.fields(self), self, strict=True)
        }


@dataclass(frozen=True)
class Scales:
    """What is fitted on a training part: the features' scaler, and σ of one-bar log-returns."""

    scaler: RobustScaler
    reward: float


def needed_candles(settings: TrainingSettings, lookback: int) -> int:
    """How many candles without a hole the bucket needs at least."""
    return least_candles(settings.min_horizon, settings.max_horizon, lookback, settings.window)


@dataclass(frozen=True)
class Dataset:
    """One market, ready for learning. `bars` long throughout.

    features: float32 [bars, columns], scaled on the training part, 0 where not `valid`.
    log_open: log of the open price. volatility: σ of a one-bar log-return, known at the close.
    segment_ids: bars with equal ids have no hole between them. valid: features are usable.
    reward_scale: σ of one-bar log-returns in the training part.
    """

    columns: tuple[str, ...]
    features: Tensor
    log_open: NDArray[np.float64]
    volatility: NDArray[np.float64]
    segment_ids: NDArray[np.int64]
    valid: NDArray[np.bool_]
    splits: Splits
    scaler: RobustScaler
    reward_scale: float
    interval_ms: int
    data_sha256: str

    def __len__(self) -> int:
        """Bars."""
        return len(self.log_open)

    def to(self, device: torch.device) -> "Dataset":
        """The same market with its features on `device`."""
        return dataclasses.replace(self, features=self.features.to(device))

    @classmethod
    def from_candles(
        cls,
        candles: Candles,
        registry: FeatureRegistry,
        settings: TrainingSettings,
        *,
        splits: Splits | None = None,
        scales: Scales | None = None,
    ) -> "Dataset":
        """Build the features; raises DataError for too few candles or an unknown feature.

        The parts are 70/15/15 by time, unless `splits` tells them; whoever does sees to it that
        they are large enough. With `scales`, a finished model's, nothing is fitted.
        """
        needed = needed_candles(settings, lookback=0)
        if splits is None and len(candles) < needed:
            raise _too_few(settings, len(candles), needed)
        return cls.build(
            build_features(candles, settings.features, registry),
            settings,
            log_open=np.log(candles.open),
            volatility=volatility(candles),
            segment_ids=candles.segment_ids,
            interval_ms=interval_ms(candles.interval),
            data_sha256=candles.sha256,
            splits=splits,
            scales=scales,
        )

    @classmethod
    def build(
        cls,
        matrix: FeatureMatrix,
        settings: TrainingSettings,
        *,
        log_open: NDArray[np.float64],
        volatility: NDArray[np.float64],
        segment_ids: NDArray[np.int64],
        interval_ms: int,
        data_sha256: str,
        splits: Splits | None = None,
        scales: Scales | None = None,
    ) -> "Dataset":
        """From arrays, as `from_candles`. What is fitted sees the training part only."""
        if splits is None:
            needed = needed_candles(settings, matrix.lookback)
            if len(log_open) < needed:
                raise _too_few(settings, len(log_open), needed)
            splits = Splits.by_time(len(log_open), purge=settings.max_horizon + 1)
        if scales is None:
            scales = _fit(matrix, settings, log_open, segment_ids, splits.train)
        if scales.scaler.columns != matrix.columns:
            raise DataError(
                f"the model of {settings.bucket} has the features "
                f"{', '.join(scales.scaler.columns)}; what is installed now gives "
                f"{', '.join(matrix.columns)}. Restore the plugins it was trained with, or train "
                "the bucket again"
            )
        scaled = np.where(matrix.valid[:, None], scales.scaler.transform(matrix.values), 0)
        return cls(
            columns=scales.scaler.columns,
            features=torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32)),
            log_open=log_open,
            volatility=volatility,
            segment_ids=segment_ids,
            valid=matrix.valid,
            splits=splits,
            scaler=scales.scaler,
            reward_scale=scales.reward,
            interval_ms=interval_ms,
            data_sha256=data_sha256,
        )


def _fit(
    matrix: FeatureMatrix,
    settings: TrainingSettings,
    log_open: NDArray[np.float64],
    segment_ids: NDArray[np.int64],
    train: slice,
) -> Scales:
    seen = train.start + np.flatnonzero(matrix.valid[train])
    if not len(seen):
        raise DataError(
            f"{settings.bucket}: no candle of the training part has all features: every run "
            f"between holes is shorter than the look-back of {matrix.lookback} bars; import "
            "candles with fewer holes"
        )
    scaler = RobustScaler.fit(matrix.values[seen], matrix.columns)
    return Scales(scaler, _one_bar_sigma(log_open[train], segment_ids[train]))


def _one_bar_sigma(log_open: NDArray[np.float64], segment_ids: NDArray[np.int64]) -> float:
    inside = np.diff(segment_ids) == 0
    sigma = float(np.std(np.diff(log_open)[inside]))
    if not sigma > 0:
        raise DataError("the open price never changes in the training part; check the candles")
    return sigma


def _too_few(settings: TrainingSettings, found: int, needed: int) -> DataError:
    return DataError(
        f"{settings.bucket} needs at least {needed:,} candles (MIN_HORIZON "
        f"{settings.min_horizon}, MAX_HORIZON {settings.max_horizon}) and there are {found:,}; "
        "import or download more, or leave this bucket out of the sequence"
    )
