"""Double DQN with n-step returns, a target network and an index replay buffer.

Mnih et al. 2015 (Nature 518); van Hasselt et al. 2016, arXiv 1509.06461; n-step returns as in
Hessel et al. 2018, arXiv 1710.02298. Accounts act ε-greedily side by side; after each of their
steps BATCH_SIZE transitions are drawn from the last BUFFER_SIZE, and with θ⁻ the target network

    y = Σ_{j<m} γ^(d·j)·r_j + γ^(d·m)·Q_θ⁻(x_m, k_m, argmax_b Q_θ(x_m, k_m, b)),   m ≤ n

with r net of cost and k the position held before a decision. The loss is Huber(Q_θ(x, k, a) − y).
The end of a window is a truncation: m ends there, and y takes the value of what follows. See
`docs/learners/dqn.md` for what differs from the papers.
"""

import copy

import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.api.learner import Update
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.base import QLearner, under
from btc_ai.learning.learners.lanes import Lanes, exploration, taken, values_at
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance
from btc_ai.learning.learners.replay import ReplayBuffer, Transitions
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings

STEPS = 3
TARGET_EVERY = 250
AVERAGING = 0.999


def double_q_targets(drawn: Transitions, online: Tensor, target: Tensor, costs: Tensor) -> Tensor:
    """y of the module's equations [n].

    online, target: U of both networks at `later_bars` [n, 3]. costs: of position k to a [3, 3].
    """
    best = (online - costs[drawn.later_held]).argmax(dim=-1)
    return drawn.returns + drawn.discounts * taken(target, costs, drawn.later_held, best)


class DoubleDQN(QLearner):
    """The Double DQN learner."""

    def __init__(
        self,
        environment: MarketEnvironment,
        network: QNetwork,
        settings: TrainingSettings,
        *,
        generator: torch.Generator,
        guidance: Guidance = NO_GUIDANCE,
    ) -> None:
        """Learn `network` in place, with the `guidance` of a transfer."""
        super().__init__(
            environment,
            network,
            settings,
            generator=generator,
            guidance=guidance,
            steps_per_update=settings.window,
            averaging=AVERAGING,
        )
        self._target = copy.deepcopy(self.network)
        self._lanes = Lanes(environment, self._starts, self._rewards, settings.lanes, generator)
        self._replay = ReplayBuffer(
            settings.buffer_size, settings.lanes, environment.interval, environment.device
        )

    def update(self) -> Update:
        """Act through one window, with a gradient step after each decision of the accounts."""
        lanes = self._lanes
        lanes.restart()
        losses, bars, tables = [], [], []
        for left in range(self.settings.window, 0, -1):
            q = lanes.action_values(values_at(self.network, lanes.features()))
            bars.append(lanes.bars)
            tables.append(q.argmax(dim=-1))
            held, actions = lanes.held, lanes.explore(tables[-1], exploration(self.progress))
            self._replay.add(bars[-1], held, actions, lanes.step(actions), left)
            losses.append(self._learn())
        return Update(torch.stack(losses).mean(), torch.stack(bars), torch.stack(tables))

    def _learn(self) -> Tensor:
        """One gradient step on BATCH_SIZE transitions; the loss."""
        if self._steps % TARGET_EVERY == 0:
            self._target.load_state_dict(self.network.state_dict())
        drawn = self._replay.sample(
            self.settings.batch_size, STEPS, self.environment.discount, self._generator
        )
        costs = self._lanes.costs
        bars = torch.cat([drawn.bars, drawn.later_bars])
        hidden = self.network.encode(self.environment.features(bars))
        values, later = self.network.values(hidden).chunk(2)
        ahead = values_at(self._target, self.environment.features(drawn.later_bars))
        targets = double_q_targets(drawn, later.detach(), ahead, costs)
        loss = functional.smooth_l1_loss(taken(values, costs, drawn.held, drawn.actions), targets)
        self._descend(loss, hidden[: len(drawn.bars)], drawn.bars)
        return loss.detach()

    def state_dict(self) -> dict[str, Tensor]:
        """The base's, with the target network and the replay buffer.

        A state is taken between updates, where every account has just been cut off: the
        accounts themselves have nothing to keep.
        """
        more = {f"target.{name}": t for name, t in self._target.state_dict().items()}
        more |= {f"replay.{name}": t for name, t in self._replay.state_dict().items()}
        copies = {name: tensor.detach().cpu().clone() for name, tensor in more.items()}
        return super().state_dict() | copies

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a state of `state_dict`."""
        self._target.load_state_dict(under("target.", state))
        self._replay.load_state_dict(under("replay.", state))
        super().load_state_dict(state)
