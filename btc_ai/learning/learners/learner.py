"""A learner as the trainer uses it, and what a transfer gives it; `btc_ai.api.learner` has more."""

from dataclasses import dataclass
from typing import Protocol

from btc_ai.api import learner as api
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


class Learner(api.Learner, Protocol):
    """A learner whose policy has been checked."""

    @property
    def policy(self) -> QNetwork:
        """The network to act, validate and save with."""
