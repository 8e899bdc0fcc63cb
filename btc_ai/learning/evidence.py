"""Whether a policy's gain over staying flat is more than luck."""

import math

import numpy as np

from btc_ai.learning.environment import Rollout

DAY = 288
EVIDENCE = 2.5
"""The least t-value with which a model may trade."""


def t_value(rollout: Rollout, max_horizon: int) -> float | None:
    """Mean net return against staying flat, which earns 0, over its standard error.

    By batch means (Law & Kelton 2000, §9.5.3): the account's bars are cut into blocks of
    max(288, MAX_HORIZON), long enough to be as good as independent; the standard error is that
    of the blocks' means. None with fewer than two blocks, or where nothing was ever earned or lost.
    """
    block = max(DAY, max_horizon)
    net = rollout.net.mean(axis=0)
    blocks = net[: len(net) // block * block].reshape(-1, block).mean(axis=1)
    if len(blocks) < 2 or not np.ptp(blocks) > 0:
        return None
    return float(blocks.mean() / (blocks.std(ddof=1) / math.sqrt(len(blocks))))
