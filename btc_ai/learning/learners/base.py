"""What all learners share: the gradient step, the horizon head, averaged weights and their state.

Every learner trains the same `QNetwork`, U(x, a) with Q(x, k, a) = −c·|a − k| + U(x, a), with
AdamW at a linearly falling rate and clipped gradients, and acts with averaged weights.
"""

import copy

import torch
from torch import Tensor

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.horizons import horizon_loss, horizon_targets
from btc_ai.learning.learners.adamw import AdamW, Group
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.gates import PULL
from btc_ai.learning.transfer.kickstart import SHARE, Kickstart

AVERAGING = 0.99
WEIGHT_DECAY = 0.01
GRADIENT_CLIP = 10.0
HORIZON_WEIGHT = 0.1


class QLearner:
    """The base of the learners; each adds `update`, and to the state what else it keeps."""

    def __init__(
        self,
        environment: MarketEnvironment,
        network: QNetwork,
        settings: TrainingSettings,
        *,
        generator: torch.Generator,
        guidance: Guidance = NO_GUIDANCE,
        steps_per_update: int = 1,
        averaging: float = AVERAGING,
    ) -> None:
        """Learn `network` in place, with the `guidance` of a transfer.

        steps_per_update: gradient steps. averaging: weight of the past in the averaged weights.
        """
        device = environment.device
        self.settings = settings
        self.environment = environment
        self.network = network.to(device)
        self._average = QNetwork(
            network.columns, settings.horizons, generator, hidden=network.hidden
        ).to(device)
        self._average.gates = copy.deepcopy(network.gates)
        self._average.load_state_dict(network.state_dict())
        self._weights = list(network.parameters())
        self._averaged = [weight.data for weight in self._average.parameters()]
        self._averaging = averaging
        self._generator = generator
        self._frozen_steps = guidance.frozen_updates * steps_per_update
        self._all_steps = settings.updates * steps_per_update
        self._steps = 0
        self._optimizer = AdamW(weight_groups(self.network))
        self._take_guidance(guidance)
        self._prepare_market()

    def _take_guidance(self, guidance: Guidance) -> None:
        device, weights = self.environment.device, guidance.horizon_weights
        self._horizon_weights = None if weights is None else torch.tensor(weights, device=device)
        self._kickstart: Kickstart | None = None
        if guidance.teacher is not None:
            teacher = copy.deepcopy(guidance.teacher).to(device)
            self._kickstart = Kickstart(teacher, round(SHARE * self._all_steps))

    def _prepare_market(self) -> None:
        environment, settings = self.environment, self.settings
        storage = environment.dataset.features.device
        targets = horizon_targets(environment.dataset, settings.horizons)
        self._starts = environment.train_starts()
        self._rewards = environment.train_rewards()
        self._horizon_targets = torch.from_numpy(targets).to(storage)
        self._known = (~self._horizon_targets.isnan()).sum(dim=1)

    @property
    def policy(self) -> QNetwork:
        """The averaged network."""
        return self._average

    @property
    def progress(self) -> float:
        """Share of the run's gradient steps that are taken; above 1 once it goes on beyond."""
        return self._steps / self._all_steps

    def _descend(self, loss: Tensor, hidden: Tensor, bars: Tensor) -> None:
        """One gradient step on the action values' loss and on that of the horizon head.

        hidden: trunk output [n, 128] at bars [n].
        """
        self._optimizer.zero_grad()
        self._add_gradient(loss, hidden, bars, self._known_outcomes(bars))
        self._step()

    def _known_outcomes(self, bars: Tensor) -> Tensor:
        """How many horizon outcomes at these bars are known, at least 1."""
        return self._known[bars].sum().clamp(min=1).to(self.environment.device)

    def _add_gradient(
        self, loss: Tensor, hidden: Tensor, bars: Tensor, known: Tensor, share: float = 1.0
    ) -> None:
        """Add the gradient of a part of a batch: a `share` of its bars, of whose horizon outcomes
        `known` are known in all."""
        outcome = self.environment.fetch(self._horizon_targets, bars)
        weights = self._present_horizon_weights()
        error = horizon_loss(self.network.predict(hidden), outcome, known, weights)
        loss = loss + HORIZON_WEIGHT * error
        if self._kickstart is not None and self._kickstart.strength(self._steps) > 0:
            values, seen = self.network.values(hidden), self.environment.features(bars)
            loss = loss + share * self._kickstart.loss(values, seen, self._steps)
        torch.autograd.backward(loss)

    def _present_horizon_weights(self) -> Tensor | None:
        """On the way from those at the start to 1 at the end."""
        if self._horizon_weights is None:
            return None
        return 1 + (self._horizon_weights - 1) * self._left

    @property
    def _left(self) -> float:
        """Share of the run's gradient steps that are still to come."""
        return max(0.0, 1 - self.progress)

    def _step(self) -> None:
        rate = self.settings.learning_rate * self._left
        trunk, *others = self._optimizer.groups
        trunk.rate = rate if self._steps >= self._frozen_steps else 0.0
        for group in others:
            group.rate = rate
        torch.nn.utils.clip_grad_norm_(self._weights, GRADIENT_CLIP)
        self._optimizer.step()
        if self.network.gates is not None:
            self.network.gates.settle(PULL * self._left)
        weights = [weight.data for weight in self._weights]
        past = min(self._averaging, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._averaged, weights, 1 - past)
        self._steps += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Network, average, AdamW's moments, step count and generator, as copies on the CPU."""
        state = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        state |= {f"average.{name}": t for name, t in self._average.state_dict().items()}
        for name, weight in self.network.named_parameters():
            moments = self._optimizer.state.get(weight, {})
            state |= {f"adam.{name}.{moment}": t for moment, t in moments.items()}
        state["steps"] = torch.tensor(self._steps)
        state["generator"] = self._generator.get_state()
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a state of `state_dict`; the generator is set last."""
        self.network.load_state_dict(under("network.", state))
        self._average.load_state_dict(under("average.", state))
        for name, weight in self.network.named_parameters():
            moments = under(f"adam.{name}.", state)
            if moments:
                self._optimizer.state[weight] = {
                    moment: tensor.to(weight.device).clone() for moment, tensor in moments.items()
                }
        self._steps = int(state["steps"])
        self._generator.set_state(state["generator"])


def weight_groups(network: QNetwork) -> list[Group]:
    """What AdamW treats alike: trunk, heads, and the gates, which have a prior of their own."""
    heads = [*network.values.parameters(), *network.horizon_head.parameters()]
    groups = [Group(list(network.trunk.parameters()), WEIGHT_DECAY), Group(heads, WEIGHT_DECAY)]
    if network.gates is not None:
        groups.append(Group(list(network.gates.parameters()), 0.0))
    return groups


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The part of a state whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}
