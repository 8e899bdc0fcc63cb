"""What choosing among many trials does to a result: deflated Sharpe ratio and PBO."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.evaluation import accounting, overfitting
from btc_ai.learning.evaluation.sharpe import deflated_sharpe, expected_best_sharpe
from btc_ai.learning.evaluation.trials import Trial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """How a result stands among all trials of its symbol.

    trials: models ever trained, with the `failed`. luck: annualised Sharpe ratio to expect of the
    best of them if all were worth nothing. deflated_sharpe (DSR): probability that the true Sharpe
    ratio is above that. overfitting (PBO), over the `compared` trials with days in common.
    A figure that is None has its `…_reason`.
    """

    trials: int
    failed: int
    luck: float
    deflated_sharpe: float | None
    deflated_sharpe_reason: str | None
    compared: int
    overfitting: float | None
    overfitting_reason: str | None


def select(
    trials: Sequence[Trial], series: str, symbol: str, returns: Array, interval_ms: int
) -> Selection:
    """How the result with a bar's simple `returns` [bars], of trial `series`, stands in the ledger.

    All trials of the symbol count, whatever their bucket, settings and interval, and each fold
    of a walk-forward evaluation for one: a person chooses among all that was tried, and taking
    dependent trials for independent ones is on the safe side.
    """
    tried = [trial for trial in trials if trial.symbol == symbol]
    count = max(1, len(tried))
    year = accounting.bars_per_year(interval_ms)
    trained = [trial.sharpe or 0.0 for trial in tried if trial.error is None]
    variance = float(np.var(trained, ddof=1)) / year if len(trained) > 1 else 0.0
    sigma = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    deflated = None
    if sigma > 0:
        deflated = deflated_sharpe(
            float(returns.mean()) / sigma,
            trials=count,
            variance=variance,
            bars=len(returns),
            skew=accounting.skewness(returns),
            kurtosis=accounting.kurtosis(returns),
        )
    reason = "too few extreme bars carry the result" if sigma > 0 else "equity never moved"
    pbo, compared, pbo_reason = _overfitting(tried, series)
    return Selection(
        trials=count,
        failed=sum(trial.error is not None for trial in tried),
        luck=expected_best_sharpe(count, variance) * math.sqrt(year),
        deflated_sharpe=deflated,
        deflated_sharpe_reason=None if deflated is not None else reason,
        compared=compared,
        overfitting=pbo,
        overfitting_reason=pbo_reason,
    )


def _overfitting(tried: Sequence[Trial], series: str) -> tuple[float | None, int, str | None]:
    """PBO, the number of trials compared, and why there is no PBO."""
    days = _days_by_series(tried)
    own = days.get(series)
    if not own:
        return None, 0, "this result is not in the ledger of trials"
    # Another trial is comparable when it was tested on at least half of this one's days.
    others = [s for s in days.values() if 2 * len(s.keys() & own.keys()) >= len(own)]
    if len(others) < 2:
        return None, len(others), "no other trial was tested on the same days"
    common = sorted(set.intersection(*(set(each) for each in others)))
    if len(common) < overfitting.LEAST_ROWS:
        reason = f"the trials have {len(common)} days in common; {overfitting.LEAST_ROWS} needed"
        return None, len(others), reason
    table = np.array([[each[day] for each in others] for day in common])
    return overfitting.probability_of_overfitting(table), len(others), None


def _days_by_series(trials: Sequence[Trial]) -> dict[str, dict[date, float]]:
    """Net return of each day of each series; two folds that share a day are compounded."""
    series: defaultdict[str, dict[date, float]] = defaultdict(dict)
    for trial in trials:
        for day, value in trial.days().items():
            before = series[trial.series].get(day, 0.0)
            series[trial.series][day] = (1 + before) * (1 + value) - 1
    return dict(series)
