"""A policy's results on one part of the market.

A bucket that decides every d bars is evaluated in all d phases at once: the capital is split
over d accounts of which one decides at each bar. That is an account a person could run, and no
phase is picked by luck.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting


@dataclass(frozen=True)
class Evaluation:
    """Results net of cost. Shares are fractions; `turnover` is mean |Δposition| a bar.

    `trades` are those of all `accounts` together; `win_rate` is None without trades,
    `profit_factor` and `sortino` when nothing was lost, `sharpe` when equity never moved,
    `calmar` without a drawdown. Annual figures count 365 days.
    """

    bars: int
    accounts: int
    net_bps_per_bar: float
    total_return: float
    sharpe: float | None
    max_drawdown: float
    win_rate: float | None
    profit_factor: float | None
    turnover: float
    trades: int
    annual_return: float | None = None
    volatility: float | None = None
    sortino: float | None = None
    calmar: float | None = None

    @classmethod
    def of(cls, rollout: Rollout, interval_ms: int) -> "Evaluation":
        """Summarise a rollout."""
        curve = accounting.equity(rollout)
        trades = accounting.trade_returns(rollout)
        return cls(
            bars=len(rollout.returns),
            accounts=len(rollout.positions),
            net_bps_per_bar=accounting.net_bps(rollout),
            total_return=float(curve[-1] - 1),
            sharpe=accounting.sharpe(curve, interval_ms),
            max_drawdown=accounting.max_drawdown(curve),
            win_rate=accounting.win_rate(trades),
            profit_factor=accounting.profit_factor(trades),
            turnover=float(rollout.changes.mean()),
            trades=len(trades),
            annual_return=accounting.annual_return(curve, interval_ms),
            volatility=accounting.volatility(curve, interval_ms),
            sortino=accounting.sortino(curve, interval_ms),
            calmar=accounting.calmar(curve, interval_ms),
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_json` gave."""
        return cls(**values)
