import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ, counterfactual_lambda_returns
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings

G2 = TrainingSettings("G2", 1, 72, ("signal", "noise"), cost_bps=5, episodes=10)


def learner(seed: int = 0, *, frozen_updates: int = 0) -> CounterfactualQ:
    environment = MarketEnvironment(known_dataset(AutoregressiveMarket(), G2, bars=5_000), G2)
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(environment.dataset.columns, G2.horizons, generator)
    return CounterfactualQ(
        environment, network, G2, generator=generator, frozen_updates=frozen_updates
    )


def reference_return(
    values: np.ndarray, rewards: np.ndarray, cost: float, discount: float, trace: float, a: int
) -> float:
    """G_0(a) of the docstring's recursion, in plain Python."""
    if len(rewards) == 0:
        return float(values[0, a])
    position = POSITIONS[a]
    q = [values[1, b] - cost * abs(POSITIONS[b] - position) for b in range(3)]
    best = int(np.argmax(q))
    after = reference_return(values[1:], rewards[1:], cost, discount, trace, best)
    continued = after - cost * abs(POSITIONS[best] - position)
    return float(position * rewards[0] + discount * ((1 - trace) * max(q) + trace * continued))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    cost=st.floats(0, 2),
    discount=st.floats(0.5, 0.999),
    trace=st.floats(0, 1),
)
def test_targets_equal_the_equations(seed: int, cost: float, discount: float, trace: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(7, 2, 3, generator=generator, dtype=torch.float64)
    rewards = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    targets, _ = counterfactual_lambda_returns(values, rewards, cost, discount, trace)
    for window in range(2):
        for first in range(6):
            for a in range(3):
                expected = reference_return(
                    values[first:, window].numpy(),
                    rewards[first:, window].numpy(),
                    cost,
                    discount,
                    trace,
                    a,
                )
                assert float(targets[first, window, a]) == pytest.approx(expected, abs=1e-9)


def test_full_traces_equal_a_rollout_of_the_greedy_policy() -> None:
    """With λ = 1 the target is the discounted reward of the path, plus the bootstrap."""
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(33, 4, 3, generator=generator, dtype=torch.float64)
    rewards = torch.randn(32, 4, generator=generator, dtype=torch.float64)
    targets, greedy = counterfactual_lambda_returns(values, rewards, 0.3, 0.97, 1.0)
    for window in range(4):
        for first in range(3):
            held, total, weight = first, 0.0, 1.0
            for step in range(32):
                total += weight * POSITIONS[held] * float(rewards[step, window])
                weight *= 0.97
                chosen = int(greedy[step + 1, window, held])
                total -= weight * 0.3 * abs(POSITIONS[chosen] - POSITIONS[held])
                held = chosen
            total += weight * float(values[32, window, held])
            assert float(targets[0, window, first]) == pytest.approx(total, abs=1e-6)


def test_loading_a_state_goes_on_bit_for_bit() -> None:
    original, restored = learner(), learner(seed=99)
    for _ in range(3):
        original.update()
    restored.load_state_dict(original.state_dict())
    for _ in range(3):
        original.update()
        restored.update()
    theirs = restored.state_dict()
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


def test_learning_never_touches_the_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    learner().update()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_frozen_trunk_rests_and_then_learns() -> None:
    frozen = learner(frozen_updates=2)
    first = frozen.network.input_layer.weight.clone()
    heads = frozen.network.values.weight.clone()
    frozen.update()
    frozen.update()
    assert torch.equal(frozen.network.input_layer.weight, first)
    assert not torch.equal(frozen.network.values.weight, heads)
    frozen.update()
    assert not torch.equal(frozen.network.input_layer.weight, first)


def test_the_learning_rate_falls_to_zero_with_the_updates() -> None:
    short = dataclasses.replace(G2, episodes=1, buffer_size=2_048)
    assert short.updates == 2
    environment = MarketEnvironment(known_dataset(AutoregressiveMarket(), short, bars=5_000), short)
    generator = torch.Generator().manual_seed(0)
    network = QNetwork(environment.dataset.columns, short.horizons, generator)
    trained = CounterfactualQ(environment, network, short, generator=generator)
    for _ in range(2):
        trained.update()
    still = {name: t.clone() for name, t in network.state_dict().items()}
    trained.update()
    assert all(torch.equal(t, still[name]) for name, t in network.state_dict().items())
