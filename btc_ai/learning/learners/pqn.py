"""PQN: Q(λ) on the ε-greedy experience of many accounts at once, without replay or target network.

Gallici et al. 2024, "Simplifying Deep Temporal Difference Learning", arXiv 2407.04811. Every
account acts through a window of T decisions; then, backwards along what it did,

    G_i = r_i + γ^d·[ (1 − λ)·max_b Q(x_{i+1}, k_{i+1}, b) + λ·G_{i+1} ],
    G_{T−1} = r_{T−1} + γ^d·max_b Q(x_T, k_T, b)

with r net of cost, k the position held before a decision, and Q as it was when acting. The loss is
Huber(Q(x_i, k_i, a_i) − G_i), over all decisions in shuffled minibatches, twice. LayerNorm keeps
this stable without a target network. It learns from nothing but what its accounts were paid, so
it holds for markets that answer back; see `docs/learners/pqn.md` for what differs from the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.api.learner import Update
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.lanes import Lanes, exploration, taken, values_at
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings

TRACE_DECAY = 0.65
EPOCHS = 2


def lambda_returns(rewards: Tensor, best: Tensor, discount: float, trace_decay: float) -> Tensor:
    """G of the module's equations [T, W].

    rewards: [T, W]. best: max_b Q at the decision after each [T, W]. discount: γ^d.
    """
    targets = torch.empty_like(rewards)
    following = best[-1]
    for i in range(len(rewards) - 1, -1, -1):
        mixed = (1 - trace_decay) * best[i] + trace_decay * following
        following = targets[i] = rewards[i] + discount * mixed
    return targets


@dataclass(frozen=True)
class Experience:
    """A window of every account; all [T, W] but greedy [T, W, 3], as in `Update`."""

    bars: Tensor
    greedy: Tensor
    held: Tensor
    actions: Tensor
    targets: Tensor


class PQN(QLearner):
    """The PQN learner."""

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
            steps_per_update=EPOCHS * settings.lanes // settings.batch_size,
        )
        self._lanes = Lanes(environment, self._starts, self._rewards, settings.lanes, generator)

    def update(self) -> Update:
        """Act through one window and learn from it, BATCH_SIZE · T decisions a gradient step."""
        seen = self._act()
        losses = []
        for _ in range(EPOCHS):
            order = torch.randperm(seen.bars.numel(), generator=self._generator)
            for drawn in torch.split(order, self.settings.batch_size * self.settings.window):
                losses.append(self._learn(seen, drawn.to(seen.bars.device)))
        return Update(torch.stack(losses).mean(), seen.bars, seen.greedy)

    def _act(self) -> Experience:
        lanes, epsilon = self._lanes, exploration(self.progress)
        lanes.restart()
        steps = []
        best, greedy = self._look()
        for _ in range(self.settings.window):
            bars, held, table = lanes.bars, lanes.held, greedy
            actions = lanes.explore(table, epsilon)
            rewards = lanes.step(actions)
            best, greedy = self._look()
            steps.append((bars, table, held, actions, rewards, best))
        bars, table, held, actions, rewards, best = map(torch.stack, zip(*steps, strict=True))
        targets = lambda_returns(rewards, best, self.environment.discount, TRACE_DECAY)
        return Experience(bars, table, held, actions, targets)

    def _look(self) -> tuple[Tensor, Tensor]:
        """max_b Q for the position held [W], and the best one for each held before [W, 3]."""
        q = self._lanes.action_values(values_at(self.network, self._lanes.features()))
        best, greedy = q.max(dim=-1)
        return best.gather(1, self._lanes.held[:, None])[:, 0], greedy

    def _learn(self, seen: Experience, drawn: Tensor) -> Tensor:
        """One gradient step on the decisions at these places [n]; the loss."""
        bars, held, actions, targets = (
            tensor.flatten()[drawn] for tensor in (seen.bars, seen.held, seen.actions, seen.targets)
        )
        hidden = self.network.encode(self.environment.features(bars))
        predicted = taken(self.network.values(hidden), self._lanes.costs, held, actions)
        loss = functional.smooth_l1_loss(predicted, targets)
        self._descend(loss, hidden, bars)
        return loss.detach()
