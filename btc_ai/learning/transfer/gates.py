"""Feature importance as a prior on input gates: what mattered to the source counts for more.

Every feature f of the target has one gate on all of its input columns,

    x̃ = g_f · x,    g_f = 2·sigmoid(θ_f),    θ_f beginning at its prior m_f

which is neutral, 1, at θ = 0 and lies between 0 and 2, so that no feature is ever dropped. The
prior follows from the source's importance d_f, the drop of its validation value, shrunk by its
standard error s_f (soft thresholding: Donoho & Johnstone 1994, Biometrika 81):

    m_f = 3 · sign(d_f) · max(0, |d_f| − s_f) / max_i |d_i|

What is no more than noise gets the neutral gate, a feature that the source did not know the
median of the others. After each gradient step θ is pulled back to m by a share that falls from a
tenth to nothing over the run (decoupled, as AdamW's decay, but towards m). At the end the gates
are folded into the first layer, and the model is one like any other.
"""

from collections.abc import Mapping, Sequence
from statistics import median

import torch
from torch import Tensor, nn

from btc_ai.market.features import feature_of

WIDEST = 3.0
PULL = 0.1

Importance = Mapping[str, Mapping[str, float]]
"""For each feature `drop`, `se`, `low` and `high`, in net bps a bar."""


class InputGates(nn.Module):
    """One gate for each feature, on all of its columns."""

    def __init__(self, columns: Sequence[str], priors: Mapping[str, float]) -> None:
        """priors: m of every feature that `columns` belong to."""
        super().__init__()
        features = list(dict.fromkeys(map(feature_of, columns)))
        start = torch.tensor([priors[feature] for feature in features])
        self.logits = nn.Parameter(start.clone())
        self.prior: Tensor
        self.owner: Tensor
        self.register_buffer("prior", start, persistent=False)
        owners = torch.tensor([features.index(feature_of(column)) for column in columns])
        self.register_buffer("owner", owners, persistent=False)

    @property
    def scale(self) -> Tensor:
        """g for each column [columns]."""
        return 2 * torch.sigmoid(self.logits)[self.owner]

    def forward(self, features: Tensor) -> Tensor:
        """Features [n, columns], each by its gate."""
        return features * self.scale

    def settle(self, weight: float) -> None:
        """Pull θ towards its prior by this share of what lies between."""
        self.logits.data.lerp_(self.prior, weight)


def gate_priors(importance: Importance, features: Sequence[str]) -> dict[str, float]:
    """m of the module's equations for each of the target's features."""
    largest = max((abs(each["drop"]) for each in importance.values()), default=0.0)
    known = {name: _shrunk(each, largest) for name, each in importance.items()}
    middle = median(known.values()) if known else 0.0
    return {feature: known.get(feature, middle) for feature in features}


def _shrunk(each: Mapping[str, float], largest: float) -> float:
    drop, sure = each["drop"], abs(each["drop"]) - each["se"]
    if largest <= 0 or sure <= 0:
        return 0.0
    return WIDEST * (sure if drop > 0 else -sure) / largest
