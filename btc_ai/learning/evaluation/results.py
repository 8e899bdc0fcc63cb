"""A policy's results on one part of the market, beside flat and buy-and-hold.

A bucket that decides every d bars is evaluated in all d phases at once: the capital is split
over d accounts of which one decides at each bar. That is an account a person could run, and no
phase is picked by luck.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from btc_ai.learning.environment import FLAT, MarketEnvironment, Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.network import POSITIONS, QNetwork

LONG = POSITIONS.index(1)


@dataclass(frozen=True)
class Evaluation:
    """Results net of cost. Shares are fractions; `turnover` is mean |Δposition| a bar.

    `trades` are those of all `accounts` together; `win_rate` is None without trades,
    `profit_factor` when nothing was lost, `sharpe` (365 days a year) when equity never moved.
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
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_json` gave."""
        return cls(**values)


def evaluate(network: QNetwork, environment: MarketEnvironment, part: slice) -> Evaluation:
    """The greedy policy of `network` on `part`."""
    return Evaluation.of(environment.rollout(network, part), environment.dataset.interval_ms)


def baselines(environment: MarketEnvironment, part: slice) -> dict[str, Evaluation]:
    """Always flat, and buy-and-hold, by the same accounting on the same bars."""
    bars = part.stop - part.start
    constant = {"flat": FLAT, "buy_and_hold": LONG}
    return {
        name: Evaluation.of(
            environment.replay(np.full((bars, len(POSITIONS)), position), part),
            environment.dataset.interval_ms,
        )
        for name, position in constant.items()
    }
