"""What all learners share: the gradient step, the horizon head, averaged weights and their state.

Every learner trains the same `QNetwork`, U(x, a) with Q(x, k, a) = −c·|a − k| + U(x, a), with
AdamW at a linearly falling rate and clipped gradients, and acts with averaged weights.
"""

import numpy as np
import torch
from torch import Tensor

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.horizons import horizon_loss, horizon_targets
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings

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
        frozen_updates: int = 0,
        steps_per_update: int = 1,
        averaging: float = AVERAGING,
    ) -> None:
        """Learn `network` in place; the trunk stays as it is for the first `frozen_updates`.

        steps_per_update: gradient steps. averaging: weight of the past in the averaged weights.
        """
        device = environment.device
        self.settings = settings
        self.environment = environment
        self.network = network.to(device)
        self._average = QNetwork(
            network.columns, settings.horizons, generator, hidden=network.hidden
        ).to(device)
        self._average.load_state_dict(network.state_dict())
        self._weights = list(network.parameters())
        self._averaged = [weight.data for weight in self._average.parameters()]
        self._averaging = averaging
        self._generator = generator
        self._frozen_steps = frozen_updates * steps_per_update
        self._all_steps = settings.updates * steps_per_update
        self._steps = 0
        heads = [*network.values.parameters(), *network.horizon_head.parameters()]
        self._optimizer = torch.optim.AdamW(
            [{"params": list(network.trunk.parameters())}, {"params": heads}],
            lr=settings.learning_rate,
            weight_decay=WEIGHT_DECAY,
            fused=True,
        )
        self._prepare_market()

    def _prepare_market(self) -> None:
        environment, settings = self.environment, self.settings
        storage = environment.dataset.features.device
        held = environment.held_returns(settings.discount) / environment.scale
        targets = horizon_targets(environment.dataset, settings.horizons)
        self._starts = torch.from_numpy(environment.starts(environment.dataset.splits.train))
        self._rewards = torch.from_numpy(held.astype(np.float32)).to(storage)
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

    def _add_gradient(self, loss: Tensor, hidden: Tensor, bars: Tensor, known: Tensor) -> None:
        """Add the gradient of a part of a batch, in all of which `known` outcomes are known."""
        outcome = self.environment.fetch(self._horizon_targets, bars)
        error = horizon_loss(self.network.predict(hidden), outcome, known)
        torch.autograd.backward(loss + HORIZON_WEIGHT * error)

    def _step(self) -> None:
        rate = self.settings.learning_rate * max(0.0, 1 - self.progress)
        trunk, heads = self._optimizer.param_groups
        trunk["lr"] = rate if self._steps >= self._frozen_steps else 0.0
        heads["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self._weights, GRADIENT_CLIP)
        self._optimizer.step()
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


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The part of a state whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}
