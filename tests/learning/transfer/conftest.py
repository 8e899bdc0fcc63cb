from typing import Protocol

import pytest
import torch

from btc_ai.learning.network import QNetwork


class MakeNetwork(Protocol):
    def __call__(
        self, columns: tuple[str, ...], horizons: tuple[int, ...], seed: int
    ) -> QNetwork: ...


@pytest.fixture
def network() -> MakeNetwork:
    """A network whose heads have weights too."""
    return _network


def _network(columns: tuple[str, ...], horizons: tuple[int, ...], seed: int) -> QNetwork:
    generator = torch.Generator().manual_seed(seed)
    built = QNetwork(columns, horizons, generator)
    with torch.no_grad():
        for head in (built.values, built.horizon_head):
            head.weight.normal_(generator=generator)
    return built
