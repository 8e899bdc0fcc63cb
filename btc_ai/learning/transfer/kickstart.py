"""Kickstarting: the target follows its source for a moment, then goes its own way.

Schmitt et al. 2018, "Kickstarting Deep Reinforcement Learning", arXiv 1803.03835. To the loss of
the first tenth of the gradient steps is added

    λ · mean Huber( [U(x, a) − mean_b U(x, b)] − [U_T(x, a) − mean_b U_T(x, b)] ),   λ from .5 to 0

T being the teacher. The paper distils the teacher's policy by cross-entropy; here what positions
are worth against each other is distilled, which decides the greedy policy with the known costs.
Another MIN_HORIZON measures U in other units of σ·√d, and another γ looks further ahead: the
teacher's value head is brought to the target's units beforehand (`transfer_weights`), and the mean
over positions, which is where the discount shows most, is left free.
"""

import torch
from torch import Tensor
from torch.nn import functional

from btc_ai.learning.network import QNetwork

STRENGTH = 0.5
SHARE = 0.1


class Kickstart:
    """A teacher for the first `steps` gradient steps."""

    def __init__(self, teacher: QNetwork, steps: int) -> None:
        """`teacher` has the columns of the network that is to follow it."""
        self._teacher = teacher
        self._steps = steps

    def strength(self, step: int) -> float:
        """λ at a gradient step, 0 once it is over."""
        return STRENGTH * max(0.0, 1 - step / self._steps) if self._steps else 0.0

    def loss(self, values: Tensor, features: Tensor, step: int) -> Tensor:
        """The term of the module's equation; values: U [n, 3] at features [n, columns]."""
        with torch.no_grad():
            taught = self._teacher.values(self._teacher.encode(features))
        return self.strength(step) * functional.smooth_l1_loss(_centred(values), _centred(taught))


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(dim=1, keepdim=True)
