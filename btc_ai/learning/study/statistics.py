"""Few seeds, honestly: interquartile means, bootstrap over seeds, probability of improvement.

Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice"
(rliable). Their bootstrap draws seeds apart in each stratum. Here strata are buckets, of which one
descends from the other: a seed is drawn with all its buckets, and with all its arms, so that a
difference between arms is paired.

The intervals are of seeds alone. All runs share one stretch of one market; what another stretch
would have given they do not say.

Percentile intervals of few seeds are a little too narrow: of values that are normally distributed,
such a 95 % interval held the truth in 89 % of 2,000 cases with 5 seeds, in 94 % with 10, in 93 %
with 20.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REPLICATES = 5_000
LEVEL = 0.95
TRIMMED = 0.25

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def iqm(values: Array) -> Array:
    """Mean of the middle half along the last axis [..., n] → [...]."""
    count = values.shape[-1]
    cut = int(TRIMMED * count)
    return np.asarray(np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1))


def pooled_iqm(values: Array) -> Array:
    """Interquartile mean over strata and seeds [..., strata, seeds] → [...]."""
    return iqm(values.reshape(*values.shape[:-2], -1))


def improvement(first: Array, second: Array) -> Array:
    """P(X > Y) + P(X = Y) / 2, averaged over strata; both [..., strata, seeds] → [...].

    X and Y are drawn apart from the two arms (Mann & Whitney's U over all pairs).
    """
    ahead = np.sign(first[..., :, None] - second[..., None, :])
    return np.asarray((0.5 + 0.5 * ahead).mean(axis=(-3, -2, -1)))


def estimate(
    statistic: Callable[..., Array], *arms: Array, seed: int, replicates: int = REPLICATES
) -> Estimate:
    """`statistic` of the arms, each [strata, seeds]; its interval is a bootstrap's over seeds."""
    seeds = arms[0].shape[-1]
    drawn = np.random.default_rng(seed).integers(0, seeds, (replicates, seeds))
    again = (np.moveaxis(arm[:, drawn], 0, 1) for arm in arms)  # [replicates, strata, seeds]
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(statistic(*again), [tail, 100 - tail])
    return Estimate(float(statistic(*arms)), float(low), float(high))
