"""Robust z-scores: features on one scale, fitted on the training part alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError

CLIP = 5.0
# The inter-quartile range of a normal variable is 1.349 σ.
IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True, eq=False)
class RobustScaler:
    """`(x − median) / σ`, σ = IQR / 1.349, clipped at ±5; the values belong to named columns."""

    columns: tuple[str, ...]
    median: NDArray[np.float64]
    sigma: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float32], columns: Sequence[str]) -> "RobustScaler":
        """Fit on `values` [rows, columns], the training rows alone.

        Where more than half of the rows are equal the IQR is 0 and the standard deviation stands
        in. Raises DataError without rows, for non-finite values, and for a constant column.
        """
        if len(values) == 0 or values.shape[1] != len(columns):
            raise DataError(
                f"a scaler of {len(columns)} columns cannot be fitted on {values.shape}"
            )
        exact = values.astype(np.float64)
        low, median, high = np.percentile(exact, [25, 50, 75], axis=0)
        iqr = (high - low) / IQR_OF_NORMAL
        sigma = np.where(iqr > 0, iqr, exact.std(axis=0))
        bad = [c for c, s in zip(columns, sigma, strict=True) if not (np.isfinite(s) and s > 0)]
        if bad:
            raise DataError(
                f"{', '.join(bad)}: constant or not finite over the {len(values)} training bars; "
                "use more candles, or leave the feature out of FEATURES"
            )
        return cls(tuple(columns), median, sigma)

    def transform(
        self, values: NDArray[np.float32], columns: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """Scaled values, shape [rows, self.columns].

        Give `columns` where those of `values` may stand in another order; raises DataError where
        one is missing.
        """
        names = self.columns if columns is None else tuple(columns)
        missing = [name for name in self.columns if name not in names]
        if missing or values.shape[1] != len(names):
            raise DataError(f"features {missing or names} do not fit the scaler's {self.columns}")
        ordered = values if names == self.columns else values[:, [*map(names.index, self.columns)]]
        scaled = (ordered - self.median) / self.sigma
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def to_json(self) -> str:
        """Median and σ by column name; floats survive exactly."""
        pairs = zip(self.median.tolist(), self.sigma.tolist(), strict=True)
        return json.dumps(
            {c: {"median": m, "sigma": s} for c, (m, s) in zip(self.columns, pairs, strict=True)}
        )

    @classmethod
    def from_json(cls, text: str) -> "RobustScaler":
        """The scaler that `to_json` wrote; raises DataError for anything else."""
        try:
            columns = dict(json.loads(text))
            median = np.array([column["median"] for column in columns.values()], dtype=np.float64)
            sigma = np.array([column["sigma"] for column in columns.values()], dtype=np.float64)
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"this is not a scaler of btc-ai ({error}); train again") from error
        return cls(tuple(columns), median, sigma)
