"""The Q-network: a LayerNorm MLP with a head for target positions and a head for horizons."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from btc_ai.learning.transfer.gates import InputGates

POSITIONS = (-1, 0, 1)
HIDDEN = 128
BASIS = 6
LONGEST_HORIZON = 4096
ABSTENTION = 1e-3
"""In rewards: enough to be flat where trading costs nothing, little enough to be unlearned."""


def horizon_basis(horizons: Sequence[int]) -> Tensor:
    """cos(π·i·u) with u = log h / log 4096, i < 6: float32 [horizons, 6].

    The scale is the same for every bucket, so that what was learned at horizon h means the
    same in the next one.
    """
    place = torch.tensor(horizons, dtype=torch.float64).log() / math.log(LONGEST_HORIZON)
    return torch.cos(math.pi * place[:, None] * torch.arange(BASIS)).to(torch.float32)


class QNetwork(nn.Module):
    """U(x, a): the value of holding position a after the cost of getting there is paid.

    Q(x, k, a) = −cost·|a − k| + U(x, a), so costs are known, never learned. The second head
    predicts the return at horizon h over σ·√h, bilinear in the trunk and a basis of log h.
    gates: on the inputs while a transfer of feature importance is learned with, else None.
    """

    def __init__(
        self,
        columns: Sequence[str],
        horizons: Sequence[int],
        generator: torch.Generator,
        *,
        hidden: int = HIDDEN,
    ) -> None:
        """Weights are drawn from `generator` alone (Kaiming uniform); both heads start at 0."""
        super().__init__()
        self.hidden = hidden
        self.columns = tuple(columns)
        self.horizons = tuple(horizons)
        self.trunk = nn.Sequential(
            _linear(len(columns), hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(inplace=True),
            _linear(hidden, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(inplace=True),
        )
        self.values = _linear(hidden, len(POSITIONS))
        self.horizon_head = _linear(hidden, BASIS)
        self.gates: InputGates | None = None
        self.basis: Tensor
        self.register_buffer("basis", horizon_basis(horizons), persistent=False)
        self._initialise(generator)

    @property
    def input_layer(self) -> nn.Linear:
        """First layer; column i of its weight belongs to feature `columns[i]`."""
        layer = self.trunk[0]
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.basis.device

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[n, columns] to U [n, 3] and standardised returns [n, horizons]."""
        hidden = self.encode(features)
        return self.values(hidden), self.predict(hidden)

    def encode(self, features: Tensor) -> Tensor:
        """[n, columns] to what both heads see [n, 128]: the one way in."""
        seen = features if self.gates is None else self.gates(features)
        hidden: Tensor = self.trunk(seen)
        return hidden

    def fold_gates(self) -> None:
        """Multiply the gates into the first layer, and be a network without any."""
        if self.gates is not None:
            with torch.no_grad():
                self.input_layer.weight.mul_(self.gates.scale)
            self.gates = None

    def abstain(self) -> None:
        """Value staying flat a little above all else; what else was learned stays."""
        with torch.no_grad():
            self.values.weight.zero_()
            self.values.bias.fill_(-ABSTENTION)
            self.values.bias[POSITIONS.index(0)] = 0

    def predict(self, hidden: Tensor) -> Tensor:
        """Trunk output [n, 128] to predicted returns over σ·√h [n, horizons]."""
        coefficients: Tensor = self.horizon_head(hidden)
        return coefficients @ self.basis.T

    def _initialise(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    bound = 1 / math.sqrt(layer.in_features)
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    layer.bias.uniform_(-bound, bound, generator=generator)
            for head in (self.values, self.horizon_head):
                head.weight.zero_()
                head.bias.zero_()


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer whose weights are still to be set: torch draws them, from its global generator."""
    with torch.random.fork_rng(devices=[]):  # skip_init would import half a second of torch
        return nn.Linear(inputs, outputs)
