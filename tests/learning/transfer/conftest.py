from typing import Any, Protocol

import pytest
import torch

from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.knowledge import Knowledge


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


class MakeKnowledge(Protocol):
    def __call__(self, columns: tuple[str, ...], **changes: Any) -> Knowledge: ...


@pytest.fixture
def knowledge() -> MakeKnowledge:
    """What a bucket that was decided on every bar knows; its feature `a` matters."""
    return _knowledge


def _knowledge(columns: tuple[str, ...], **changes: Any) -> Knowledge:
    values: dict[str, Any] = {
        "network": _network(columns, (1, 8, 72), seed=1),
        "importance": {
            "a": {"drop": 1.0, "se": 0.1, "low": 0.8, "high": 1.2},
            "b": {"drop": 0.0, "se": 0.1, "low": -0.2, "high": 0.2},
        },
        "skill": {1: 0.01, 8: 0.03, 72: None},
        "min_horizon": 1,
        "sigma": 20e-4,
        "abstains": False,
        "source": {"bucket": "Scalping", "weights_sha256": "0" * 64, "path": "/runs/1/Scalping"},
    }
    return Knowledge(**{**values, **changes})
