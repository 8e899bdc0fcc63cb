"""What is drawn: equity and drawdown over time, and results over cost."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting

COSTS_BPS = (0.0, 1.0, 2.0, 5.0, 7.5, 10.0, 20.0)
MOST_POINTS = 1_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CostPoint:
    """The same positions, paid for at another price: `cost_bps` a side."""

    cost_bps: float
    net_bps_per_bar: float
    total_return: float
    sharpe: float | None


def cost_curve(rollout: Rollout, interval_ms: int) -> list[CostPoint]:
    """The rollout re-priced at 0 to 20 bps a side.

    Nothing is decided anew: an agent trained for a higher cost would trade less, so this is how
    much cost the trades bear, not how well the learner does at that cost.
    """
    points = []
    for cost_bps in COSTS_BPS:
        priced = dataclasses.replace(rollout, cost=cost_bps / accounting.BPS)
        curve = accounting.equity(priced)
        points.append(
            CostPoint(
                cost_bps=cost_bps,
                net_bps_per_bar=accounting.net_bps(priced),
                total_return=float(curve[-1] - 1),
                sharpe=accounting.sharpe(curve, interval_ms),
            )
        )
    return points


def break_even_bps(rollout: Rollout) -> float | None:
    """Cost a side, in bps, at which the positions earn nothing; None without turnover."""
    turnover = float(rollout.changes.mean())
    gross = accounting.net_bps(dataclasses.replace(rollout, cost=0.0))
    return gross / turnover if turnover > 0 else None


@dataclass(frozen=True)
class Series:
    """Equity (from 1) and drawdown (share of the peak) at `time`, ms, when each is known."""

    time: list[int]
    equity: list[float]
    drawdown: list[float]

    @classmethod
    def of(cls, curve: Array, time: NDArray[np.int64]) -> "Series":
        """At most 1,000 points of an equity curve [bars]."""
        drawdown = accounting.drawdowns(curve)
        rows = thin(curve, drawdown)
        return cls(time[rows].tolist(), curve[rows].tolist(), drawdown[rows].tolist())

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


def thin(curve: Array, drawdown: Array) -> NDArray[np.int64]:
    """Rows to draw, at most 1,000: the first, the last, and the extremes of equal stretches.

    Each stretch keeps its highest and lowest equity and its deepest drawdown.
    """
    bars = len(curve)
    if bars <= MOST_POINTS:
        return np.arange(bars)
    edges = np.linspace(0, bars, (MOST_POINTS - 2) // 3 + 1).astype(np.int64)
    rows = {0, bars - 1}
    for first, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        piece = slice(first, end)
        rows |= {first + int(curve[piece].argmax()), first + int(curve[piece].argmin())}
        rows.add(first + int(drawdown[piece].argmax()))
    return np.array(sorted(rows), dtype=np.int64)
