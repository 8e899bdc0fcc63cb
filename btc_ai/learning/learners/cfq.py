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

A large update goes through the network in up to four chunks of at least 32 windows, whose
gradients are added in this order. They are the same, to the last bit, whether all chunks are in
memory at once or one at a time (gradient accumulation), and 32 windows are one chunk.
"""

import math

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
CHUNKS = 4
LEAST_CHUNK = 32


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
        device = environment.device
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
        self._chunk = max(LEAST_CHUNK, math.ceil(settings.batch_size / CHUNKS))
        self._held = settings.batch_size
        self._actions = settings.batch_size * settings.window * len(POSITIONS)
        self._prepare_market()

    def _prepare_market(self) -> None:
        environment, settings = self.environment, self.settings
        train = environment.dataset.splits.train
        held = environment.held_returns(settings.discount) / environment.scale
        targets = horizon_targets(environment.dataset, settings.horizons)
        self._starts = torch.from_numpy(environment.starts(train))
        self._offsets = torch.arange(settings.window + 1)[:, None] * environment.interval
        place = environment.dataset.features.device
        self._rewards = torch.from_numpy(held.astype(np.float32)).to(place)
        self._horizon_targets = torch.from_numpy(targets).to(place)
        self._known = (~self._horizon_targets.isnan()).sum(dim=1)

    @property
    def policy(self) -> QNetwork:
        """The averaged network."""
        return self._average

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
        known = self._known[bars[:-1]].sum().clamp(min=1).to(self.environment.device)
        self._optimizer.zero_grad()
        losses, tables = [], []
        for held in torch.split(bars, self._held, dim=1):
            loss, table = self._differentiate(held, known)
            losses += loss
            tables.append(table)
        self._descend()
        return Update(torch.stack(losses).sum(), bars[:-1], torch.cat(tables, dim=1))

    def _differentiate(self, bars: Tensor, known: Tensor) -> tuple[list[Tensor], Tensor]:
        """Add the gradients of some windows; bars [T + 1, W], known: horizon outcomes in all.

        Returns each chunk's part of the loss of the action values and the greedy table [T, W, 3].
        """
        network, environment = self.network, self.environment
        chunks = torch.split(bars, self._chunk, dim=1)
        hidden = [network.trunk(environment.features(chunk.flatten())) for chunk in chunks]
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
            loss = functional.smooth_l1_loss(value[:-1], target, reduction="sum") / self._actions
            outcome = environment.fetch(self._horizon_targets, seen)
            error = horizon_loss(network.predict(part[: len(seen)]), outcome, known)
            torch.autograd.backward(loss + HORIZON_WEIGHT * error)
            losses.append(loss.detach())
        return losses, greedy[:-1]

    def _sample(self) -> Tensor:
        """Bars of the decisions of random windows, and of the one after [T + 1, W]."""
        drawn = torch.randint(
            len(self._starts), (self.settings.batch_size,), generator=self._generator
        )
        return (self._starts[drawn] + self._offsets).to(self._rewards.device)

    def _descend(self) -> None:
        rate = self.settings.learning_rate * max(0.0, 1 - self._updates / self.settings.updates)
        trunk, heads = self._optimizer.param_groups
        trunk["lr"] = rate if self._updates >= self._frozen_updates else 0.0
        heads["lr"] = rate
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
