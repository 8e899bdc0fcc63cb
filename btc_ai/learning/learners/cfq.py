"""CF-Q(λ): Q(λ) with counterfactual targets for every position and action, without replay.

A price-taker does not move the price, so one window of real bars gives the exact reward and next
state of every action (exogenous MDP: Dietterich et al. 2018; Sinclair et al. 2022,
arXiv 2207.06272; Huang 2018, arXiv 1807.02787). With proportional cost c the action value is

    Q(x, k, a) = −c·|a − k| + U(x, a)

for position k held before and a held after, and the network learns U alone. The greedy λ-returns
(Peng & Williams 1996), backwards along a window of decisions i = 0 … T−1, are

    G_i(a) = a·R_i + γ^d·[ (1 − λ)·max_b Q(x_{i+1}, a, b) + λ·( −c·|b* − a| + G_{i+1}(b*) ) ]
    b* = argmax_b Q(x_{i+1}, a, b),    G_T(a) = U(x_T, a)

and the loss is Huber(U(x_i, a) − G_i(a)), δ = 10, over all i and a. As every action's outcome is
known, the traces need no cutting and no exploration is taken. One forward pass serves targets and
gradient; LayerNorm stands in for a target network (Gallici et al. 2024, arXiv 2407.04811).

A large update goes through the network in up to four chunks of at least 32 windows, whose
gradients are added in this order. They are the same, to the last bit, whether all chunks are in
memory at once or one at a time (gradient accumulation), and 32 windows are one chunk.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.api.learner import Update
from btc_ai.learning.environment import MarketEnvironment, turnover_costs
from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings

CHUNKS = 4
LEAST_CHUNK = 32
HUBER = 10.0
"""In rewards, about σ each. λ-returns are skewed, and a narrower loss learns their median."""


def counterfactual_lambda_returns(
    values: Tensor, rewards: Tensor, cost: float, discount: float, trace_decay: float
) -> tuple[Tensor, Tensor]:
    """λ-returns G of the module's equations and the greedy table.

    values: U [T + 1, W, 3]. rewards: R, of a unit position [T, W]. discount: γ^d per decision.
    Returns targets [T, W, 3] and, for each position held before, the greedy one [T + 1, W, 3].
    """
    costs = turnover_costs(cost, values)
    best, greedy = (values[:, :, None, :] - costs).max(dim=-1)
    positions = torch.tensor(POSITIONS, dtype=values.dtype, device=values.device)
    paid = costs.expand(*greedy.shape, -1).gather(-1, greedy[..., None])[..., 0]
    bootstrap = (1 - trace_decay) * best[1:] - trace_decay * paid[1:]
    targets = rewards[..., None] * positions + discount * bootstrap
    following = values[-1]
    for target, chosen in zip(
        reversed(targets.unbind()), reversed(greedy[1:].unbind()), strict=True
    ):
        following = target.add_(following.gather(-1, chosen), alpha=discount * trace_decay)
    return targets, greedy


class CounterfactualQ(QLearner):
    """The CF-Q(λ) learner."""

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
        super().__init__(environment, network, settings, generator=generator, guidance=guidance)
        self._offsets = torch.arange(settings.window + 1)[:, None] * environment.interval
        self._chunk = max(LEAST_CHUNK, math.ceil(settings.batch_size / CHUNKS))
        self._held = settings.batch_size
        self._actions = settings.batch_size * settings.window * len(POSITIONS)

    @property
    def chunks(self) -> int:
        """Chunks of windows that an update is made of."""
        return math.ceil(self.settings.batch_size / self._chunk)

    def accumulate(self) -> None:
        """From now on hold one chunk in memory at a time; the weights stay the same."""
        self._held = self._chunk

    def update(self) -> Update:
        """Sample BATCH_SIZE windows and take one gradient step on all of their decisions."""
        bars = self._sample()
        known = self._known_outcomes(bars[:-1])
        self._optimizer.zero_grad()
        losses, tables = [], []
        for held in torch.split(bars, self._held, dim=1):
            loss, table = self._differentiate(held, known)
            losses += loss
            tables.append(table)
        self._step()
        return Update(torch.stack(losses).sum(), bars[:-1], torch.cat(tables, dim=1))

    def _differentiate(self, bars: Tensor, known: Tensor) -> tuple[list[Tensor], Tensor]:
        """Add the gradients of some windows; bars [T + 1, W], known: horizon outcomes in all.

        Returns each chunk's part of the loss of the action values and the greedy table [T, W, 3].
        """
        network, environment = self.network, self.environment
        chunks = torch.split(bars, self._chunk, dim=1)
        hidden = [network.encode(environment.features(chunk.flatten())) for chunk in chunks]
        values = [
            network.values(part).view(*chunk.shape, len(POSITIONS))
            for part, chunk in zip(hidden, chunks, strict=True)
        ]
        with torch.no_grad():
            targets, greedy = counterfactual_lambda_returns(
                torch.cat(values, dim=1).detach(),
                environment.fetch(self._rewards, bars[:-1]),
                environment.cost_scaled,
                environment.discount,
                self.settings.trace_decay,
            )
        losses = []
        for chunk, part, value, target in zip(
            chunks, hidden, values, torch.split(targets, self._chunk, dim=1), strict=True
        ):
            seen = chunk[:-1].flatten()
            error = functional.huber_loss(value[:-1], target, delta=HUBER, reduction="sum")
            loss = error / self._actions
            share = len(seen) * len(POSITIONS) / self._actions
            self._add_gradient(loss, part[: len(seen)], seen, known, share)
            losses.append(loss.detach())
        return losses, greedy[:-1]

    def _sample(self) -> Tensor:
        """Bars of the decisions of random windows, and of the one after [T + 1, W]."""
        drawn = torch.randint(
            len(self._starts), (self.settings.batch_size,), generator=self._generator
        )
        return (self._starts[drawn] + self._offsets).to(self._rewards.device)
