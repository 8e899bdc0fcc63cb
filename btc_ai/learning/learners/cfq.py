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
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.learning.environment import MarketEnvironment, turnover_costs
from btc_ai.learning.horizons import horizon_loss, horizon_targets
from btc_ai.learning.learners.learner import Update
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings

AVERAGING = 0.99
WEIGHT_DECAY = 0.01
GRADIENT_CLIP = 10.0
HORIZON_WEIGHT = 0.1
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


class CounterfactualQ:
    """The CF-Q(λ) learner: AdamW with a linearly falling rate, Huber loss, averaged weights."""

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
        device = environment.dataset.features.device
        self.settings = settings
        self.environment = environment
        self.network = network.to(device)
        self._average = QNetwork(network.columns, settings.horizons, generator).to(device)
        self._average.load_state_dict(network.state_dict())
        self._weights = list(network.parameters())
        self._averaged = [weight.data for weight in self._average.parameters()]
        self._generator = generator
        self._frozen_updates = frozen_updates
        self._updates = 0
        heads = [*network.values.parameters(), *network.horizon_head.parameters()]
        self._optimizer = torch.optim.AdamW(
            [{"params": list(network.trunk.parameters())}, {"params": heads}],
            lr=settings.learning_rate,
            weight_decay=WEIGHT_DECAY,
            fused=True,
        )
        self._prepare_market(device)

    def _prepare_market(self, device: torch.device) -> None:
        environment, settings = self.environment, self.settings
        train = environment.dataset.splits.train
        held = environment.held_returns(settings.discount) / environment.scale
        targets = horizon_targets(environment.dataset, settings.horizons)
        self._starts = torch.from_numpy(environment.starts(train))
        self._offsets = torch.arange(settings.window + 1)[:, None] * environment.interval
        self._rewards = torch.from_numpy(held.astype(np.float32)).to(device)
        self._horizon_targets = torch.from_numpy(targets).to(device)

    @property
    def policy(self) -> QNetwork:
        """The averaged network."""
        return self._average

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
        loss = functional.huber_loss(values[:-1], targets, delta=HUBER)
        predicted = network.predict(hidden[: seen.numel()])
        outcome = self._horizon_targets.index_select(0, seen.flatten())
        self._descend(loss + HORIZON_WEIGHT * horizon_loss(predicted, outcome))
        return Update(loss.detach(), seen, greedy[:-1])

    def _sample(self) -> Tensor:
        """Bars of the decisions of random windows, and of the one after [T + 1, W]."""
        drawn = torch.randint(
            len(self._starts), (self.settings.batch_size,), generator=self._generator
        )
        return (self._starts[drawn] + self._offsets).to(self._rewards.device)

    def _descend(self, loss: Tensor) -> None:
        rate = self.settings.learning_rate * max(0.0, 1 - self._updates / self.settings.updates)
        trunk, heads = self._optimizer.param_groups
        trunk["lr"] = rate if self._updates >= self._frozen_updates else 0.0
        heads["lr"] = rate
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._weights, GRADIENT_CLIP)
        self._optimizer.step()
        torch._foreach_lerp_(self._averaged, [w.data for w in self._weights], 1 - AVERAGING)
        self._updates += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Network, average, AdamW's moments, update count and generator, as copies on the CPU."""
        state = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        state |= {f"average.{name}": t for name, t in self._average.state_dict().items()}
        for name, weight in self.network.named_parameters():
            moments = self._optimizer.state.get(weight, {})
            state |= {f"adam.{name}.{moment}": t for moment, t in moments.items()}
        state["updates"] = torch.tensor(self._updates)
        state["generator"] = self._generator.get_state()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a state of `state_dict`; the generator is set last."""
        self.network.load_state_dict(_under("network.", state))
        self._average.load_state_dict(_under("average.", state))
        for name, weight in self.network.named_parameters():
            moments = _under(f"adam.{name}.", state)
            if moments:
                self._optimizer.state[weight] = {
                    moment: tensor.to(weight.device).clone() for moment, tensor in moments.items()
                }
        self._updates = int(state["updates"])
        self._generator.set_state(state["generator"])


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}
