"""What is told about each episode, and the file it is kept in."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from btc_ai.api.learner import Update
from btc_ai.learning.environment import FLAT, Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.network import POSITIONS

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class EpisodeMetrics:
    """One episode. All but `bars_per_second` are the same in every run with the same seed.

    reward: mean net bps a bar of the greedy policy over the episode's training windows, each
    entered flat and left flat, at cost. loss: mean Huber loss of the action values, in rewards.
    win_rate, profit_factor: of the trades in those windows; None without trades or losses.
    validation_reward: net bps a bar of the averaged policy on the validation part, None in
    episodes that are not validated. bars_per_second: decisions learned from a second.
    """

    episode: int
    episodes: int
    reward: float
    loss: float
    win_rate: float | None
    profit_factor: float | None
    validation_reward: float | None
    bars_per_second: float

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary with all fields."""
        return dataclasses.asdict(self)

    def row(self) -> dict[str, Any]:
        """A line of `metrics.jsonl`: what is the same in every run with the same seed."""
        row = self.to_json()
        del row["bars_per_second"]
        return row


def replay_windows(updates: Sequence[Update], returns: NDArray[np.float64], cost: float) -> Rollout:
    """The greedy policy through all windows of these updates, one lane each, a step a decision.

    returns: log-return of a unit position held from bar t until the next decision [bars].
    """
    bars = torch.cat([update.bars for update in updates], dim=1).cpu()
    table = torch.cat([update.table for update in updates], dim=1).cpu()
    held = torch.full((table.shape[1], 1), FLAT)
    path = []
    for step in table:
        held = step.gather(1, held)
        path.append(held)
    positions = np.asarray(POSITIONS, dtype=np.float64)[torch.cat(path, dim=1).numpy()]
    return Rollout(positions, returns[bars.T.numpy()], cost)


@dataclass(frozen=True)
class Summary:
    """The part of the metrics that is taken from an episode's updates."""

    reward: float
    loss: float
    win_rate: float | None
    profit_factor: float | None


def summarise(updates: Sequence[Update], rollout: Rollout, interval: int) -> Summary:
    """Sum up an episode; `interval` is bars a decision."""
    trades = accounting.trade_returns(rollout)
    return Summary(
        reward=accounting.net_bps(rollout) / interval,
        loss=float(torch.stack([update.loss for update in updates]).mean()),
        win_rate=accounting.win_rate(trades),
        profit_factor=accounting.profit_factor(trades),
    )
