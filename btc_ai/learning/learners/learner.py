"""What every learning algorithm offers to the trainer."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from btc_ai.learning.network import QNetwork


@dataclass(frozen=True, eq=False)
class Guidance:
    """What a transfer gives a learner besides the network to begin with.

    frozen_updates: the trunk stays as it is for so many. teacher: a network with the same columns
    to follow for the first tenth of the run (`transfer.kickstart`). horizon_weights: of the
    horizon head's loss at the start, going back to 1 along the run (`transfer.horizons`).
    """

    frozen_updates: int = 0
    teacher: QNetwork | None = None
    horizon_weights: tuple[float, ...] | None = None


NO_GUIDANCE = Guidance()


@dataclass(frozen=True)
class Update:
    """One update: its loss, and what the greedy policy would have done on the bars it saw.

    loss: scalar. bars: int64 [T, W], the bar of each decision of each window.
    table: int64 [T, W, 3], index of the greedy position for each position held before.
    """

    loss: Tensor
    bars: Tensor
    table: Tensor


class Learner(Protocol):
    """Learns a Q-network from one market.

    All of its state, optimizer, counters and random generator included, is in `state_dict`, so
    that a learner which loads it goes on as if it had never stopped, to the last bit.
    """

    @property
    def policy(self) -> QNetwork:
        """The network to act, validate and save with (averaged weights)."""
        ...

    def update(self) -> Update:
        """Gather experience and learn from it; a run may be stopped between two updates."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of everything, by name."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of `state_dict`."""
        ...


@runtime_checkable
class Accumulating(Protocol):
    """What a learner may offer besides: gradients added chunk by chunk, to save memory."""

    @property
    def chunks(self) -> int:
        """Chunks that an update is made of."""
        ...

    def accumulate(self) -> None:
        """Hold one chunk in memory at a time; what is learned stays the same, to the last bit."""
        ...
