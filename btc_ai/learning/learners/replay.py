"""An index replay buffer: it keeps at which bar a transition was, never what was seen there."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Transitions:
    """n-step transitions; every tensor is [count].

    bars, held, actions: where, from which position, to which. returns: Σ_j γ^(d·j)·r_j over the
    m ≤ n decisions that follow each other there. later_bars, later_held: where the value of what
    follows is to be taken. discounts: γ^(d·m), by which it counts.
    """

    bars: Tensor
    held: Tensor
    actions: Tensor
    returns: Tensor
    later_bars: Tensor
    later_held: Tensor
    discounts: Tensor


class ReplayBuffer:
    """The last `capacity` transitions of accounts that act side by side; 16 bytes each.

    The accounts' transitions stand one after the other, so that the next one of an account is
    `lanes` places further on.
    """

    def __init__(self, capacity: int, lanes: int, interval: int, device: torch.device) -> None:
        """Empty. `capacity` ≥ `lanes`; interval: bars between two decisions."""
        self.capacity = capacity
        self.lanes = lanes
        self.interval = interval
        self.added = 0
        self._bars = torch.zeros(capacity, dtype=torch.int64, device=device)
        self._held = torch.zeros(capacity, dtype=torch.int8, device=device)
        self._actions = torch.zeros(capacity, dtype=torch.int8, device=device)
        self._rewards = torch.zeros(capacity, dtype=torch.float32, device=device)
        self._left = torch.zeros(capacity, dtype=torch.int16, device=device)

    def __len__(self) -> int:
        """Transitions that are there."""
        return min(self.added, self.capacity)

    def add(self, bars: Tensor, held: Tensor, actions: Tensor, rewards: Tensor, left: int) -> None:
        """One transition of every lane [lanes]; left: decisions until they are cut off, ≥ 1."""
        places = torch.arange(self.added, self.added + self.lanes, device=bars.device)
        places %= self.capacity
        self._bars[places] = bars
        self._held[places] = held.to(torch.int8)
        self._actions[places] = actions.to(torch.int8)
        self._rewards[places] = rewards
        self._left[places] = left
        self.added += self.lanes

    def sample(
        self, count: int, steps: int, discount: float, generator: torch.Generator
    ) -> Transitions:
        """Draw `count`, with replacement, with returns over `steps` decisions.

        Fewer where an account was cut off, which is a truncation, or has not yet gone further:
        the value of what follows is then taken where it stood. discount: γ^d.
        """
        drawn = torch.randint(len(self), (count,), generator=generator)
        serial = (drawn + self.added - len(self)).to(self._bars.device)
        first = serial % self.capacity
        there = (self.added - 1 - serial) // self.lanes + 1
        taken = torch.minimum(self._left[first].to(torch.int64), there).clamp(max=steps)
        ahead = torch.arange(steps, device=serial.device)
        places = (serial[:, None] + ahead * self.lanes) % self.capacity
        weights = torch.where(ahead < taken[:, None], discount**ahead, 0.0)
        last = places.gather(1, taken[:, None] - 1)[:, 0]
        return Transitions(
            bars=self._bars[first],
            held=self._held[first].to(torch.int64),
            actions=self._actions[first].to(torch.int64),
            returns=(self._rewards[places] * weights).sum(dim=1),
            later_bars=self._bars[last] + self.interval,
            later_held=self._actions[last].to(torch.int64),
            discounts=(discount**taken).to(self._rewards.dtype),
        )

    def state_dict(self) -> dict[str, Tensor]:
        """All of it, by name; the tensors are the buffer's own."""
        return {
            "bars": self._bars,
            "held": self._held,
            "actions": self._actions,
            "rewards": self._rewards,
            "left": self._left,
            "added": torch.tensor(self.added),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a state of `state_dict`."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])
        self.added = int(state["added"])
