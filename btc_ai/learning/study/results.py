"""The table of a study: what each arm was worth, and by how much one arm was ahead of another.

Values are net bps a bar. The same runs give the same table, to the last bit, wherever they ran.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from btc_ai.learning.study.design import ARMS, Arm, Cell, Study
from btc_ai.learning.study.statistics import (
    Array,
    Estimate,
    estimate,
    improvement,
    pooled_iqm,
)
from btc_ai.market.candles import Candles

Body = dict[str, Any]

FORMAT = 1
SEED = 0
ENOUGH_SEEDS = 5
FEW = "With {} seeds the intervals are far too narrow; 10 can tell."
CONTRASTS: tuple[tuple[str, Arm, Arm], ...] = (
    ("transfer", "transfer", "scratch"),
    ("placebo", "placebo", "scratch"),
    ("knowledge", "transfer", "placebo"),
)
"""Name of a difference, and the arms of which it is the first minus the second."""


def make_results(
    study: Study, candles: Candles, cells: Sequence[Cell], results: Mapping[str, Body]
) -> Body:
    """Everything the report shows, as JSON; `results` by the keys of the cells' tasks."""
    tables = [_Table.of(study, cells, results, number) for number in range(len(study.buckets))]
    later = tables[1:]
    return {
        "format": FORMAT,
        "symbol": candles.symbol,
        "interval": candles.interval,
        "synthetic": candles.synthetic,
        "bars": len(candles),
        "first": int(candles.time[0]),
        "last": int(candles.time[-1]),
        "data_sha256": candles.sha256,
        "seeds": study.seeds,
        "episodes": study.buckets[0].episodes,
        "learner": study.buckets[0].learner,
        "cost_bps": study.buckets[0].cost_bps,
        "kinds": list(study.kinds),
        "runs": len(cells),
        "note": FEW.format(study.seeds) if study.seeds < ENOUGH_SEEDS else "",
        "buckets": [table.to_json() for table in tables],
        "overall": {name: _contrast(later, first, second) for name, first, second in CONTRASTS},
    }


@dataclasses.dataclass(frozen=True)
class _Table:
    """One bucket. validation: [shares, seeds] by arm; test: [seeds] by arm."""

    bucket: str
    horizons: tuple[int, int]
    shares: tuple[float, ...]
    episodes: tuple[int, ...]
    validation: dict[Arm, Array]
    test: dict[Arm, Array]
    abstaining: dict[Arm, int]
    degraded: int
    hold: float

    @classmethod
    def of(
        cls, study: Study, cells: Sequence[Cell], results: Mapping[str, Body], number: int
    ) -> "_Table":
        settings = study.buckets[number]
        arms: dict[Arm, list[Body]] = {
            arm: [results[c.task.key] for c in cells if (c.bucket, c.arm) == (number, arm)]
            for arm in (ARMS if number else ARMS[:1])
        }
        one = arms["scratch"][0]
        values = {
            arm: np.array([[row[2] for row in run["milestones"]] for run in runs]).T
            for arm, runs in arms.items()
        }
        return cls(
            bucket=settings.bucket,
            horizons=(settings.min_horizon, settings.max_horizon),
            shares=tuple(row[0] for row in one["milestones"]),
            episodes=tuple(row[1] for row in one["milestones"]),
            validation=values,
            test={arm: np.array([run["test"] for run in runs]) for arm, runs in arms.items()},
            abstaining={arm: sum(run["abstains"] for run in runs) for arm, runs in arms.items()},
            degraded=sum(run["degraded"] for runs in arms.values() for run in runs),
            hold=one["hold"],
        )

    def to_json(self) -> Body:
        contrasts = CONTRASTS if len(self.validation) > 1 else ()
        return {
            "bucket": self.bucket,
            "min_horizon": self.horizons[0],
            "max_horizon": self.horizons[1],
            "hold": self.hold,
            "degraded": self.degraded,
            "arms": {arm: self._arm(arm) for arm in self.validation},
            "differences": {
                name: {
                    "validation": self._along(
                        self.validation[first] - self.validation[second]
                    ),
                    **_contrast([self], first, second),
                }
                for name, first, second in contrasts
            },
        }  # fmt: skip

    def _arm(self, arm: Arm) -> Body:
        seeds = self.validation[arm].T.tolist()
        return {
            "validation": self._along(self.validation[arm]),
            "test": _iqm(self.test[arm][None]),
            "abstaining": self.abstaining[arm],
            "seeds": {"validation": seeds, "test": self.test[arm].tolist()},
        }

    def _along(self, values: Array) -> list[Body]:
        return [
            {"share": share, "episode": episode, **_iqm(row[None])}
            for share, episode, row in zip(self.shares, self.episodes, values, strict=True)
        ]


def _contrast(tables: Sequence[_Table], first: Arm, second: Arm) -> Body:
    """Over buckets: at the start, at the end, on the held-out part, and how often one is ahead.

    jumpstart and asymptote are Taylor & Stone's (2009), on the validation part.
    """

    def rows(name: str, arm: Arm, at: int | None = None) -> Array:
        return np.array([getattr(t, name)[arm] if at is None else getattr(t, name)[arm][at]
                         for t in tables])  # fmt: skip

    def difference(name: str, at: int | None = None) -> Body:
        return _iqm(rows(name, first, at) - rows(name, second, at))

    ends = [rows("validation", arm, -1) for arm in (first, second)]
    return {
        "jumpstart": difference("validation", 0),
        "asymptote": difference("validation", -1),
        "test": difference("test"),
        "improvement": _plain(estimate(improvement, *ends, seed=SEED)),
        "improvement_test": _plain(
            estimate(improvement, rows("test", first), rows("test", second), seed=SEED)
        ),
    }


def _iqm(values: Array) -> Body:
    """Of [strata, seeds]."""
    return _plain(estimate(pooled_iqm, values, seed=SEED))


def _plain(found: Estimate) -> Body:
    return dataclasses.asdict(found)
