import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.learners.pqn import PQN, TRACE_DECAY, lambda_returns
from btc_ai.learning.network import POSITIONS
from tests.learning.learners.conftest import MakeLearner


def reference(rewards: list[float], best: list[float], discount: float, trace: float) -> float:
    """G_0 of the docstring's recursion, in plain Python."""
    if len(rewards) == 1:
        return rewards[0] + discount * best[0]
    following = reference(rewards[1:], best[1:], discount, trace)
    return rewards[0] + discount * ((1 - trace) * best[0] + trace * following)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    discount=st.floats(0.5, 0.999),
    trace=st.floats(0, 1),
)
def test_targets_equal_the_equations(seed: int, discount: float, trace: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    best = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    targets = lambda_returns(rewards, best, discount, trace)
    for lane in range(2):
        for first in range(6):
            expected = reference(
                rewards[first:, lane].tolist(), best[first:, lane].tolist(), discount, trace
            )
            assert abs(float(targets[first, lane]) - expected) < 1e-9


def test_it_learns_from_what_its_accounts_were_paid(make: MakeLearner) -> None:
    """Targets rebuilt from prices, positions and the network that acted."""
    learner = make(learner="pqn")
    assert isinstance(learner, PQN)
    for _ in range(3):
        learner.update()
    network, environment = learner.network, learner.environment
    seen = learner._act()
    assert torch.equal(seen.held[1:], seen.actions[:-1])
    assert set(seen.actions.flatten().tolist()) == {0, 1, 2}
    held_returns = torch.from_numpy(environment.held_returns(learner.settings.discount))
    for lane in range(3):
        target = 0.0
        for i in range(len(seen.bars) - 1, -1, -1):
            bar, taken = int(seen.bars[i, lane]), POSITIONS[int(seen.actions[i, lane])]
            before = POSITIONS[int(seen.held[i, lane])]
            paid = environment.cost_scaled * abs(taken - before)
            reward = taken * float(held_returns[bar]) / environment.scale - paid
            with torch.no_grad():
                u = network(environment.dataset.features[bar + 2][None])[0][0].tolist()
            costs = [environment.cost_scaled * abs(p - taken) for p in POSITIONS]
            best = max(value - cost for value, cost in zip(u, costs, strict=True))
            if i == len(seen.bars) - 1:
                target = best
            mixed = (1 - TRACE_DECAY) * best + TRACE_DECAY * target
            target = reward + environment.discount * mixed
            assert abs(target - float(seen.targets[i, lane])) < 1e-4


def test_every_decision_is_learned_from_in_every_epoch(make: MakeLearner) -> None:
    learner = make(learner="pqn", batch_size=48, episodes=3)
    assert isinstance(learner, PQN)
    assert learner.settings.lanes == 144
    learner.update()
    assert learner.progress * learner.settings.updates == 1.0
    assert learner.state_dict()["steps"] == 6
