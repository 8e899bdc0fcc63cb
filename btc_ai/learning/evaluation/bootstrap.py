"""Intervals by the stationary block bootstrap (Politis & Romano 1994, JASA 89).

Blocks of bars of geometric length, from uniform places on a circle, keep what returns close in
time have to do with each other. All statistics of a policy, and its difference to buy-and-hold,
are taken on the same blocks, so that the difference is paired.

A series of few blocks gives percentile intervals that are too narrow, for two reasons, and both
are corrected for: deviations are measured from the sample's own mean, which makes the bootstrap
variance too small by about 2·block/bars; and that variance is itself an estimate, with about
bars/block degrees of freedom, hence Student's t instead of the normal.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting

LEAST_MEAN_BLOCK = 288
LEAST_CORRECTED = 4
REPLICATES = 2_000
LEVEL = 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float

    @classmethod
    def of(cls, replicates: Array, estimate: float, blocks: float) -> "Interval":
        """The percentiles of the statistic's replicates, widened for a series of `blocks` blocks.

        They are moved away from `estimate`, the statistic of the series itself.
        """
        tail = 50 * (1 - LEVEL)
        low, high = np.percentile(replicates, [tail, 100 - tail]) - estimate
        wider = widening(blocks)
        return cls(float(estimate + wider * low), float(estimate + wider * high))

    def excludes_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Intervals:
    """Intervals of one policy's results. `net_bps_over_hold` is the paired difference.

    `sharpe` is None where the policy's equity never moved.
    """

    net_bps_per_bar: Interval
    sharpe: Interval | None
    total_return: Interval
    net_bps_over_hold: Interval


def mean_block(max_horizon: int) -> int:
    """Mean length of a block in bars: a day of five-minute bars, or MAX_HORIZON if longer."""
    return max(LEAST_MEAN_BLOCK, max_horizon)


def widening(blocks: float) -> float:
    """t(ν) / z / √(1 − 2/ν) for ν = `blocks` = bars / mean block, t by Cornish & Fisher.

    Made for ten blocks and more; from fewer no interval can be had that deserves the name.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    ratio = 1 + (z**2 + 1) / (4 * blocks) + (5 * z**4 + 16 * z**2 + 3) / (96 * blocks**2)
    return ratio / math.sqrt(1 - 2 / max(blocks, LEAST_CORRECTED))


def block_sums(
    columns: Array, block: int, replicates: int, generator: np.random.Generator
) -> Array:
    """Sums of each column of `columns` [bars, k] over resampled series: [replicates, k].

    A block's sum is the difference of two prefix sums, so a replicate costs its blocks, not its
    bars. The rows of all columns are resampled together.
    """
    bars = len(columns)
    most = math.ceil(bars / block + 6 * math.sqrt(bars / block) + 10)
    ends = np.cumsum(generator.geometric(1 / block, (replicates, most)), axis=1)
    ends = np.minimum(ends, bars)
    ends[:, -1] = bars
    starts = generator.integers(0, bars, (replicates, most))
    prefix = np.concatenate(
        [np.zeros((1, columns.shape[1])), np.cumsum(np.tile(columns, (2, 1)), 0)]
    )
    lengths = np.diff(ends, axis=1, prepend=0)
    sums: Array = prefix[starts + lengths] - prefix[starts]
    return np.asarray(sums.sum(axis=1))


def intervals(
    rollout: Rollout,
    hold: Rollout,
    interval_ms: int,
    *,
    block: int,
    generator: np.random.Generator,
    replicates: int = REPLICATES,
) -> Intervals:
    """Intervals of a policy's rollout, beside the rollout of buy-and-hold on the same bars."""
    bars, year = len(rollout.returns), accounting.bars_per_year(interval_ms)
    net, over = rollout.net.mean(axis=0), (rollout.net.mean(axis=0) - hold.net.mean(axis=0))
    simple = accounting.simple_returns(accounting.equity(rollout))
    columns = np.column_stack([net, over, np.log1p(simple), simple, simple**2])
    sums = block_sums(columns, block, replicates, generator)
    own = columns.sum(axis=0, keepdims=True)

    def interval(column: int, scale: float) -> Interval:
        return Interval.of(scale * sums[:, column], float(scale * own[0, column]), bars / block)

    growth = interval(2, 1.0)
    ratio = Interval.of(_sharpe(sums, bars), float(_sharpe(own, bars)[0]), bars / block)
    annual = math.sqrt(year)
    return Intervals(
        net_bps_per_bar=interval(0, accounting.BPS / bars),
        sharpe=Interval(annual * ratio.low, annual * ratio.high) if simple.any() else None,
        total_return=Interval(math.expm1(growth.low), math.expm1(growth.high)),
        net_bps_over_hold=interval(1, accounting.BPS / bars),
    )


def _sharpe(sums: Array, bars: int) -> Array:
    """A bar's Sharpe ratio from sums of simple returns and of their squares."""
    mean = sums[:, 3] / bars
    variance = (sums[:, 4] / bars - mean**2) * bars / max(bars - 1, 1)
    return accounting.ratio(mean, variance)
