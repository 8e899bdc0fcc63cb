import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.learners.cfq import CounterfactualQ, counterfactual_lambda_returns
from btc_ai.learning.network import POSITIONS
from tests.learning.learners.conftest import MakeLearner


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


@pytest.mark.parametrize("windows", [32, 48, 128])
def test_accumulated_gradients_are_those_of_the_whole_batch_bit_for_bit(
    make: MakeLearner, windows: int
) -> None:
    whole, accumulated = make(batch_size=windows), make(batch_size=windows)
    assert isinstance(whole, CounterfactualQ) and isinstance(accumulated, CounterfactualQ)
    accumulated.accumulate()
    assert whole.chunks == {32: 1, 48: 2, 128: 4}[windows]
    for _ in range(3):
        first, second = whole.update(), accumulated.update()
        assert torch.equal(first.loss, second.loss)
        assert torch.equal(first.table, second.table)
    theirs = accumulated.state_dict()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
