"""CF-Q(λ): Q(λ) with counterfactual targets for every position and action, without replay.

A price-taker does not move the price, so one window of real bars gives the exact reward and next
state of every action (exogenous MDP: Dietterich et al. 2018; Sinclair et al. 2022,
arXiv 2207.06272; Huang 2018, arXiv 1807.02787). With proportional cost c the action value is

    Q(x, k, a) = −c·|a − k| + U(x, a)

for position k held before and a held after, and the network learns U alone. The greedy λ-returns
(Peng & Williams 1996), backwards along a window of decisions i = 0 … T−1, are

    G_i(a) = a·R_i + γ^d·[ (1 − λ)·max_b Q(x_{i+1}, a, b) + λ·( −c·|b* − a| + G_{i+1}(b*) ) ]
    b* = argmax_b Q(x_{i+1}, a, b),    G_T(a) = U(x_T, a)

and the loss is Huber(U(x_i, a) − G_i(a)) over all i and a. As every action's outcome is known, the
traces need no cutting and no exploration is taken. One forward pass serves targets and gradient;
LayerNorm stands in for a target network (Gallici et al. 2024, arXiv 2407.04811).
"""

import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.learning.environment import MarketEnvironment, turnover_costs
from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.learner import Update
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings


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
        frozen_updates: int = 0,
    ) -> None:
        """Learn `network` in place; the trunk stays as it is for the first `frozen_updates`."""
        super().__init__(
            environment, network, settings, generator=generator, frozen_updates=frozen_updates
        )
        self._offsets = torch.arange(settings.window + 1)[:, None] * environment.interval

    def update(self) -> Update:
        """Sample BATCH_SIZE windows and take one gradient step on all of their decisions."""
        network, settings = self.network, self.settings
        bars = self._sample()
        features = self.environment.dataset.features.index_select(0, bars.flatten())
        hidden = network.trunk(features)
        values = network.values(hidden).view(*bars.shape, len(POSITIONS))
        seen = bars[:-1]
        with torch.no_grad():
            targets, greedy = counterfactual_lambda_returns(
                values.detach(),
                self._rewards[seen],
                self.environment.cost_scaled,
                self.environment.discount,
                settings.trace_decay,
            )
        loss = functional.smooth_l1_loss(values[:-1], targets)
        self._descend(loss, hidden[: seen.numel()], seen.flatten())
        return Update(loss.detach(), seen, greedy[:-1])

    def _sample(self) -> Tensor:
        """Bars of the decisions of random windows, and of the one after [T + 1, W]."""
        drawn = torch.randint(
            len(self._starts), (self.settings.batch_size,), generator=self._generator
        )
        return (self._starts[drawn] + self._offsets).to(self._rewards.device)
