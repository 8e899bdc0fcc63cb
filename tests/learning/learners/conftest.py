import dataclasses
from typing import Any, Protocol

import pytest
import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance, Learner
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.gates import InputGates

G2 = TrainingSettings("G2", 2, 72, ("signal", "noise"), cost_bps=5, episodes=10)


class MakeLearner(Protocol):
    def __call__(
        self,
        seed: int = 0,
        *,
        guidance: Guidance = NO_GUIDANCE,
        gates: dict[str, float] | None = None,
        **changes: Any,
    ) -> Learner: ...


@pytest.fixture
def make() -> MakeLearner:
    """A learner of 5,000 bars of G2, decided upon every other bar."""
    return _make


def _make(
    seed: int = 0,
    *,
    guidance: Guidance = NO_GUIDANCE,
    gates: dict[str, float] | None = None,
    **changes: Any,
) -> Learner:
    settings = dataclasses.replace(G2, **changes)
    environment = MarketEnvironment(
        known_dataset(AutoregressiveMarket(), settings, bars=5_000), settings
    )
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(environment.dataset.columns, settings.horizons, generator)
    if gates:
        network.gates = InputGates(network.columns, gates)
    return make_learner(environment, network, settings, generator=generator, guidance=guidance)
