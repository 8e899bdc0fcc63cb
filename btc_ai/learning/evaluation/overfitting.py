"""The probability that choosing the best of several trials is choosing luck.

PBO by combinatorially symmetric cross-validation: Bailey, Borwein, López de Prado & Zhu 2017,
"The Probability of Backtest Overfitting", Journal of Computational Finance 20(4).
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.evaluation import accounting

MOST_BLOCKS = 16
LEAST_ROWS_A_BLOCK = 2
LEAST_BLOCKS = 4
LEAST_ROWS = LEAST_BLOCKS * LEAST_ROWS_A_BLOCK

Array = NDArray[np.float64]


def probability_of_overfitting(returns: Array) -> float:
    """PBO of `returns` [rows, trials], of which there are at least 8 rows and 2 trials.

    The rows are cut into S ≤ 16 equal blocks (the oldest rows that are left over are dropped).
    For each choice of S/2 blocks the trial with the best Sharpe ratio in them is ranked among all
    trials in the other blocks; PBO is the share of choices in which it ranks below the median
    there. At the median exactly counts half, so that trials worth nothing give ½ on average for
    odd numbers of trials too.
    """
    rows, trials = returns.shape
    if rows < LEAST_ROWS or trials < 2:
        raise ValueError(f"PBO needs at least {LEAST_ROWS} rows and 2 trials, not {rows}, {trials}")
    blocks = min(MOST_BLOCKS, rows // LEAST_ROWS_A_BLOCK // 2 * 2)
    size = rows // blocks
    cut = returns[rows - blocks * size :].reshape(blocks, size, trials)
    inside = _halves(blocks)
    ours = _sharpe(cut, inside, size)
    theirs = _sharpe(cut, ~inside, size)
    best = ours.argmax(axis=1)
    chosen = np.take_along_axis(theirs, best[:, None], axis=1)
    below = (theirs < chosen).sum(axis=1)
    above = (theirs > chosen).sum(axis=1)
    return float(np.where(below == above, 0.5, below < above).mean())


def _halves(blocks: int) -> NDArray[np.bool_]:
    """Every choice of half of the blocks [choices, blocks]."""
    choices = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(choices), blocks), dtype=np.bool_)
    np.put_along_axis(chosen, choices, True, axis=1)
    return chosen


def _sharpe(cut: Array, chosen: NDArray[np.bool_], size: int) -> Array:
    """Sharpe ratio of each trial over the chosen blocks [choices, trials]; 0 without variation."""
    rows = size * chosen.shape[1] // 2
    mean = chosen @ cut.sum(axis=1) / rows
    variance = chosen @ (cut**2).sum(axis=1) / rows - mean**2
    return accounting.ratio(mean, variance)
