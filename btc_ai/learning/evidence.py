"""How far a validation result can be trusted: standard errors by batch means.

Net returns of neighbouring bars hang together, so bars are cut into blocks that are long enough to
be as good as independent, and the standard error is that of the blocks' means (Law & Kelton 2000,
§9.5.3).
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.environment import Rollout

DAY = 288
EVIDENCE = 2.0
"""The least t-value against staying flat with which a model may trade."""

EXACT_T = {1: 12.7062, 2: 4.3027, 3: 3.1824}

Array = NDArray[np.float64]


def block_means(rollout: Rollout, max_horizon: int) -> Array:
    """Mean net log-return a bar, over all lanes, in each whole block of bars [blocks].

    A block is max(288, MAX_HORIZON) bars. What is left over at the end is in no block.
    """
    block = max(DAY, max_horizon)
    net = rollout.net.mean(axis=0)
    return np.asarray(net[: len(net) // block * block].reshape(-1, block).mean(axis=1))


def standard_error(blocks: Array) -> float:
    """Of the blocks' mean; 0 with fewer than two blocks, which say nothing about it."""
    return float(blocks.std(ddof=1)) / math.sqrt(len(blocks)) if len(blocks) > 1 else 0.0


def as_good(blocks: Array, best: Array) -> bool:
    """Whether the mean of `blocks` is within one standard error of that of `best`, same bars.

    The error is that of the paired differences, in which what the market did to both cancels.
    """
    difference = best - blocks
    return len(best) > 0 and float(difference.mean()) <= standard_error(difference)


def t_value(blocks: Array) -> float | None:
    """The mean against 0, which staying flat earns, over its standard error.

    None where there are fewer than two blocks, or no difference between them.
    """
    error = standard_error(blocks)
    return float(blocks.mean()) / error if error > 0 else None


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, by its expansion in 1/ν (Abramowitz & Stegun 26.7.5)."""
    if freedom in EXACT_T:
        return EXACT_T[freedom]
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
