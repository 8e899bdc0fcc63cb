"""The market as an environment: when a decision is filled, what it earns, where windows may start.

Timing, the same for training, validation, test and live use:

    close of bar t       the agent sees the features of bars up to and including t, and decides
    open of bar t + 1    the order is filled, at `cost` per unit of change in position
    open of bar t + 2    one bar is earned: position · log(open[t+2] / open[t+1])

Decisions are taken every d = MIN_HORIZON bars (a semi-Markov decision process). A decision at
bar t holds its position for d bars and earns Σ_j γ^j · log(open[t+j+2] / open[t+j+1]), j < d;
the next decision is discounted by γ^d. Rewards are divided by σ·√d, σ being the training
part's. Positions are −1, 0 and +1. There is no exit forced at MAX_HORIZON: time in trade would
become part of the state. The end of a training window is a truncation (the learner bootstraps
there), never a terminal.

Bars on either side of a hole are never adjacent: no window crosses one, and a rollout is flat
from the last open before the hole until the next decision behind it, paying for the exit.
"""

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from btc_ai.errors import DataError
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings

FLAT = POSITIONS.index(0)
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Rollout:
    """A policy's path through one part of the market.

    positions: float64 [lanes, bars], held from the open of the next bar on.
    returns: float64 [bars], log-return of a unit position; net: float64 [lanes, bars].
    Lane p takes its decisions at bars p, p + d, p + 2d, …
    """

    positions: NDArray[np.float64]
    returns: NDArray[np.float64]
    cost: float

    @property
    def changes(self) -> NDArray[np.float64]:
        """|Δposition| [lanes, bars], starting and ending flat."""
        change = np.abs(np.diff(self.positions, axis=1, prepend=0))
        change[:, -1] += np.abs(self.positions[:, -1])
        return change

    @property
    def net(self) -> NDArray[np.float64]:
        """Net log-return of every bar [lanes, bars]."""
        return self.positions * self.returns - self.cost * self.changes


def bar_returns(
    log_open: NDArray[np.float64], segment_ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """log(open[t+2] / open[t+1]) for every bar t; NaN where bars t … t+2 have a hole or end."""
    earned = np.full(len(log_open), np.nan)
    same = segment_ids[2:] == segment_ids[:-2]
    earned[:-2] = np.where(same, log_open[2:] - log_open[1:-1], np.nan)
    return earned


class MarketEnvironment:
    """One bucket's market. All arrays are as long as the dataset.

    device: where networks compute. The features may lie elsewhere, where there is more memory.
    """

    def __init__(
        self, dataset: Dataset, settings: TrainingSettings, device: torch.device | None = None
    ) -> None:
        """Precompute every bar's reward once; `device` is the features' where it is not given."""
        self.dataset = dataset
        self.settings = settings
        self.device = device or dataset.features.device
        self.interval = settings.min_horizon
        self.scale = dataset.reward_scale * math.sqrt(self.interval)
        self.discount = settings.discount**self.interval
        self.cost = settings.cost
        self.returns = bar_returns(dataset.log_open, dataset.segment_ids)

    def features(self, bars: Tensor) -> Tensor:
        """Features of some bars [n, columns] on `device`; bars: int64 [n]."""
        return self.fetch(self.dataset.features, bars)

    def fetch(self, table: Tensor, bars: Tensor) -> Tensor:
        """Rows of a table of all bars [bars, …], on `device`; bars int64, of any shape."""
        rows = table.index_select(0, bars.flatten().to(table.device))
        return rows.view(*bars.shape, *table.shape[1:]).to(self.device)

    def held_returns(self, discount: float) -> NDArray[np.float64]:
        """Σ_j discount^j · returns[t + j] for j < d [bars]; 0 is added where undefined."""
        earned = np.nan_to_num(self.returns)
        total = np.zeros(len(earned))
        for j in range(min(self.interval, len(earned))):
            total[: len(earned) - j] += discount**j * earned[j:]
        return total

    def train_starts(self) -> Tensor:
        """Bars of the training part at which a window may start, int64 [starts]; as `starts`."""
        return torch.from_numpy(self.starts(self.dataset.splits.train))

    def train_rewards(self) -> Tensor:
        """Reward of a unit position held from each bar on: float32 [bars], beside the features."""
        held = self.held_returns(self.settings.discount) / self.scale
        return torch.from_numpy(held.astype(np.float32)).to(self.dataset.features.device)

    def starts(self, part: slice) -> NDArray[np.int64]:
        """Bars at which a window of T decisions may start [starts].

        All d·T + 2 bars of a window lie in `part`, in one segment, with valid features.
        Raises DataError when there is none.
        """
        length = self.interval * self.settings.window + 2
        first = np.arange(part.start, max(part.start, part.stop - length + 1))
        last = first + length - 1
        invalid = np.concatenate([[0], np.cumsum(~self.dataset.valid)])
        segments = self.dataset.segment_ids
        usable = (segments[first] == segments[last]) & (invalid[last + 1] == invalid[first])
        if not usable.any():
            raise DataError(
                f"{self.settings.bucket} trains on windows of {length:,} candles without a hole; "
                "the training part has none, after the features' warm-up. Import more candles "
                "or candles with fewer holes"
            )
        return np.asarray(first[usable])

    def rollout(self, network: QNetwork, part: slice) -> Rollout:
        """Follow the greedy policy through `part`, one lane for each phase of the decisions."""
        return self.replay(
            greedy_table(network, self.dataset.features[part], self.cost_scaled), part
        )

    @property
    def cost_scaled(self) -> float:
        """Cost of one unit of turnover in the reward's units."""
        return self.cost / self.scale

    def replay(self, table: NDArray[np.int64], part: slice) -> Rollout:
        """Walk through `part` by a table [bars, position before] of position indices."""
        returns = bar_returns(self.dataset.log_open[part], self.dataset.segment_ids[part])
        closed = np.isnan(returns) | ~self.dataset.valid[part]
        return Rollout(self._walk(table, closed), np.nan_to_num(returns), self.cost)

    def newest_positions(self, network: QNetwork) -> NDArray[np.float64]:
        """What each account holds from the next open on [lanes].

        Each has followed the greedy policy from the first bar to the last. That no hole comes next
        is taken for granted: it cannot be known yet.
        """
        log_open, segments = self.dataset.log_open, self.dataset.segment_ids
        earned = bar_returns(
            np.append(log_open, log_open[[-1, -1]]), np.append(segments, segments[[-1, -1]])
        )
        table = greedy_table(network, self.dataset.features, self.cost_scaled)
        return self._walk(table, np.isnan(earned[:-2]) | ~self.dataset.valid)[:, -1]

    def _walk(self, table: NDArray[np.int64], closed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Positions [lanes, bars] by a table [bars, position before], flat where it is closed."""
        table = np.where(closed[:, None], FLAT, table)
        since = np.concatenate([[0], np.cumsum(closed)])
        bars = np.arange(len(table))
        interrupted = since[bars] > since[np.maximum(bars - self.interval, 0)]
        table[interrupted] = table[interrupted, FLAT][:, None]
        lanes = np.stack([self._lane(table, phase) for phase in range(self.interval)])
        return np.where(closed, 0.0, np.asarray(POSITIONS, dtype=np.float64)[lanes])

    def _lane(self, table: NDArray[np.int64], phase: int) -> NDArray[np.int64]:
        """Position indices [bars] of the account that decides at bars phase, phase + d, …"""
        rows = table[phase :: self.interval].tolist()
        held = list(accumulate(rows, lambda position, row: row[position], initial=FLAT))
        path = np.repeat(np.asarray(held[1:], dtype=np.int64), self.interval)
        return np.concatenate([np.full(phase, FLAT), path])[: len(table)]


def turnover_costs(cost: float, like: Tensor) -> Tensor:
    """cost · |a − k| as [position before k, position after a]."""
    positions = torch.tensor(POSITIONS, dtype=like.dtype, device=like.device)
    return cost * (positions[None, :] - positions[:, None]).abs()


def greedy_table(network: QNetwork, features: Tensor, cost: float) -> NDArray[np.int64]:
    """argmax_a −cost·|a − k| + U(x, a) for features [bars, columns]: [bars, k]."""
    chosen = []
    with torch.inference_mode():
        for first in range(0, len(features), ROWS_AT_ONCE):
            rows = features[first : first + ROWS_AT_ONCE].to(network.device)
            values = network.values(network.encode(rows))
            chosen.append((values[:, None, :] - turnover_costs(cost, values)).argmax(dim=-1))
    return torch.cat(chosen).cpu().numpy()
