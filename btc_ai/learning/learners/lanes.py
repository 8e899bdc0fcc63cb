"""Accounts that act in the market step by step, as PQN and Double DQN gather their experience.

Nothing here looks further than one decision ahead: the learner sees features and position, takes
a position, and is told the reward. A market that answers back needs another `Lanes`, not another
learner.
"""

import torch
from torch import Tensor

from btc_ai.learning.environment import MarketEnvironment, turnover_costs
from btc_ai.learning.network import POSITIONS, QNetwork

EXPLORED_SHARE = 0.1
LAST_EPSILON = 0.1


def exploration(progress: float) -> float:
    """ε after this share of the run: from 1 down to 0.1 in its first tenth, then constant."""
    return max(LAST_EPSILON, 1 - (1 - LAST_EPSILON) * progress / EXPLORED_SHARE)


class Lanes:
    """One account a lane, each at a bar of its own with a position of its own.

    bars: int64 [lanes], where the next decision is taken. held: int64 [lanes], index of the
    position held there.
    """

    def __init__(
        self,
        environment: MarketEnvironment,
        starts: Tensor,
        rewards: Tensor,
        lanes: int,
        generator: torch.Generator,
    ) -> None:
        """Place all lanes. starts: bars [n]. rewards: of a unit position held from a bar on."""
        self._environment = environment
        self._starts = starts
        self._rewards = rewards
        self._shape = (lanes,)
        self._generator = generator
        device = environment.device
        self._positions = torch.tensor(POSITIONS, dtype=rewards.dtype, device=device)
        self.costs = turnover_costs(environment.cost_scaled, self._positions)
        self.restart()

    def restart(self) -> None:
        """Cut every lane off and begin at random bars with random positions (exploring starts)."""
        drawn = torch.randint(len(self._starts), self._shape, generator=self._generator)
        held = torch.randint(len(POSITIONS), self._shape, generator=self._generator)
        self.bars = self._starts[drawn].to(self._environment.device)
        self.held = held.to(self._environment.device)

    def action_values(self, values: Tensor) -> Tensor:
        """U [lanes, 3] to Q, for each position held before and each taken [lanes, 3, 3]."""
        return values[:, None, :] - self.costs

    def features(self) -> Tensor:
        """What is seen now [lanes, columns]."""
        return self._environment.features(self.bars)

    def explore(self, greedy: Tensor, epsilon: float) -> Tensor:
        """ε-greedy positions [lanes]; greedy: the best one for each held before [lanes, 3]."""
        anywhere = torch.randint(len(POSITIONS), self._shape, generator=self._generator)
        strays = torch.rand(self._shape, generator=self._generator) < epsilon
        best = greedy.gather(1, self.held[:, None])[:, 0]
        return torch.where(strays.to(best.device), anywhere.to(best.device), best)

    def step(self, actions: Tensor) -> Tensor:
        """Take these positions until the next decision; the rewards, net of cost [lanes]."""
        gained = self._positions[actions] * self._environment.fetch(self._rewards, self.bars)
        rewards = gained - self.costs[self.held, actions]
        self.bars = self.bars + self._environment.interval
        self.held = actions
        return rewards


def values_at(network: QNetwork, features: Tensor) -> Tensor:
    """U [n, 3] without a gradient."""
    with torch.no_grad():
        values: Tensor = network.values(network.encode(features))
    return values


def taken(values: Tensor, costs: Tensor, held: Tensor, actions: Tensor) -> Tensor:
    """Q(x, k, a) = −c·|a − k| + U(x, a) of the positions taken [n]; values: U [n, 3]."""
    return values.gather(1, actions[:, None])[:, 0] - costs[held, actions]
