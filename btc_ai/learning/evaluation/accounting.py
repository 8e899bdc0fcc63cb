"""What a rollout is worth: trades, win rate, profit factor, drawdown, Sharpe and other ratios.

Accounting is in log-returns: a position p earns p times the market's log-return, less the cost
of every change. An account's *simple* returns follow from its equity. Ratios are defined as in
empyrical, with 365 days a year; a figure that is not defined (a profit factor when nothing was
lost) is None.
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


def simple_returns(curve: Array) -> Array:
    """equity[t] / equity[t − 1] − 1 of each bar [bars], starting from equity 1."""
    return np.asarray(np.diff(curve, prepend=1.0) / np.concatenate([[1.0], curve[:-1]]))


def drawdowns(curve: Array) -> Array:
    """Fall from the highest equity so far, as a share of it [bars], starting from equity 1."""
    return np.asarray(1 - curve / np.maximum.accumulate(np.maximum(curve, 1.0)))


def max_drawdown(curve: Array) -> float:
    """Largest fall from a peak, as a share of the peak, starting from equity 1."""
    return float(drawdowns(curve).max(initial=0.0))


def bars_per_year(interval_ms: int) -> float:
    """Bars in 365 days."""
    return YEAR_MS / interval_ms


def volatility(curve: Array, interval_ms: int) -> float:
    """Annualised σ of a bar's simple returns; 0 with fewer than two bars."""
    returns = simple_returns(curve)
    sigma = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return sigma * math.sqrt(bars_per_year(interval_ms))


def sharpe(curve: Array, interval_ms: int) -> float | None:
    """Annualised mean over σ of a bar's simple returns; None without variation."""
    sigma = volatility(curve, interval_ms)
    mean = float(simple_returns(curve).mean()) * bars_per_year(interval_ms)
    return mean / sigma if sigma > 0 else None


def sortino(curve: Array, interval_ms: int) -> float | None:
    """Annualised mean over downside deviation √mean(min(r, 0)²); None when nothing was lost."""
    returns, year = simple_returns(curve), bars_per_year(interval_ms)
    downside = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()) * year)
    return float(returns.mean()) * year / downside if downside > 0 else None


def annual_return(curve: Array, interval_ms: int) -> float | None:
    """equity ^ (bars a year / bars) − 1; None where that is beyond any float."""
    try:
        return float(float(curve[-1]) ** (bars_per_year(interval_ms) / len(curve)) - 1)
    except OverflowError:
        return None


def calmar(curve: Array, interval_ms: int) -> float | None:
    """Annual return over the largest drawdown; None without a drawdown."""
    annual, fall = annual_return(curve, interval_ms), max_drawdown(curve)
    return annual / fall if annual is not None and fall > 0 else None


def ratio(mean: Array, variance: Array) -> Array:
    """Mean over σ, element by element; 0 where σ is 0 but for rounding."""
    moves = variance > 1e-12 * mean**2
    return np.where(moves, mean, 0.0) / np.sqrt(np.where(moves, variance, 1.0))


def skewness(returns: Array) -> float:
    """Third standardised moment (0 for a normal); 0 without variation."""
    return _standardised_moment(returns, 3) or 0.0


def kurtosis(returns: Array) -> float:
    """Fourth standardised moment (3 for a normal); 3 without variation."""
    return _standardised_moment(returns, 4) or 3.0


def _standardised_moment(returns: Array, power: int) -> float:
    sigma = float(returns.std())
    return float((((returns - returns.mean()) / sigma) ** power).mean()) if sigma > 0 else 0.0
