"""What a rollout is worth: trades, win rate, profit factor, drawdown, Sharpe ratio.

Accounting is in log-returns: a position p earns p times the market's log-return, less the cost
of every change. Definitions follow empyrical where it has them; a figure that is not defined
(a profit factor when nothing was lost) is None.
"""

import math

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.environment import Rollout

BPS = 1e4
YEAR_MS = 365 * 24 * 3600 * 1000
Array = NDArray[np.float64]


def net_bps(rollout: Rollout) -> float:
    """Mean net log-return in bps per bar, over all bars, in the market or not."""
    return float(rollout.net.mean() * BPS)


def trade_returns(rollout: Rollout) -> Array:
    """Net log-return of each trade [trades]; a trade is a run of one position, never flat.

    A trade pays its entry and its exit; turning from long to short ends one and begins another.
    """
    positions = rollout.positions
    changed = np.diff(positions, axis=1, prepend=0) != 0
    changed[:, 0] = True
    trade = np.cumsum(changed.ravel()) - 1
    gross = np.bincount(trade, weights=(positions * rollout.returns).ravel())
    size = np.abs(positions.ravel()[changed.ravel()])
    return np.asarray((gross - 2 * rollout.cost * size)[size > 0])


def win_rate(trades: Array) -> float | None:
    """Share of trades with a net profit; None without trades."""
    return float((trades > 0).mean()) if len(trades) else None


def profit_factor(trades: Array) -> float | None:
    """Sum of profits over sum of losses; None when nothing was lost."""
    lost = float(-trades[trades < 0].sum())
    return float(trades[trades > 0].sum()) / lost if lost > 0 else None


def equity(rollout: Rollout) -> Array:
    """Equity after each bar [bars], from 1: capital split evenly over the lanes, never shifted."""
    return np.asarray(np.exp(np.cumsum(rollout.net, axis=1)).mean(axis=0))


def max_drawdown(curve: Array) -> float:
    """Largest fall from a peak, as a share of the peak, starting from equity 1."""
    peak = np.maximum.accumulate(np.maximum(curve, 1.0))
    return float((1 - curve / peak).max(initial=0.0))


def sharpe(curve: Array, interval_ms: int) -> float | None:
    """Annualised mean over σ of a bar's simple returns, 365 days a year; None without variation."""
    returns = np.diff(curve, prepend=1.0) / np.concatenate([[1.0], curve[:-1]])
    sigma = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / sigma * math.sqrt(YEAR_MS / interval_ms) if sigma > 0 else None
