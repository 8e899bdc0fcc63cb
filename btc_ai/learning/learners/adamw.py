"""AdamW by torch's own fused kernel, without `torch.optim.Optimizer`.

That one imports torch's compiler, which nothing here uses: a third of what a worker needs to start,
and 70 MB as long as it lives (docs/decisions/0020). Loshchilov and Hutter 2019,
https://arxiv.org/abs/1711.05101.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adamw import adamw

BETA_1, BETA_2 = 0.9, 0.999
EPS = 1e-8


@dataclass
class Group:
    """Weights that are treated alike. decay: per step and unit of the rate."""

    weights: list[Parameter]
    decay: float
    rate: float = 0.0


class AdamW:
    """Moments of each weight, and the step that they and its gradient make.

    state: `step`, `exp_avg` and `exp_avg_sq` of each weight that has had a gradient.
    """

    def __init__(self, groups: Iterable[Group]) -> None:
        """No weight has had a gradient yet."""
        self.groups = list(groups)
        self.state: dict[Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.groups:
            for weight in group.weights:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each weight that has a gradient, at its group's rate."""
        for group in self.groups:
            weights = [one for one in group.weights if one.grad is not None]
            if not weights:
                continue
            moments = [self._moments(weight) for weight in weights]
            adamw(
                [*weights],
                [one.grad for one in weights if one.grad is not None],
                [one["exp_avg"] for one in moments],
                [one["exp_avg_sq"] for one in moments],
                [],
                [one["step"] for one in moments],
                fused=True, amsgrad=False, maximize=False, beta1=BETA_1, beta2=BETA_2, eps=EPS,
                lr=group.rate, weight_decay=group.decay,
            )  # fmt: skip

    def _moments(self, weight: Parameter) -> dict[str, Tensor]:
        if weight not in self.state:
            self.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
            }
        return self.state[weight]
