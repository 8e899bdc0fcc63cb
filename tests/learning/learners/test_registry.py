"""What holds for every learner."""

import pytest
import torch
from torch import Tensor

from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.learner import Guidance
from btc_ai.names import BUILTIN_LEARNERS
from tests.learning.learners.conftest import MakeLearner

LEARNERS = BUILTIN_LEARNERS


def weights(learner: QLearner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}


@pytest.fixture(params=LEARNERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_update_tells_the_greedy_policy_on_windows_of_decisions(
    make: MakeLearner, name: str
) -> None:
    learner = make(learner=name)
    assert isinstance(learner, QLearner)
    settings = learner.settings
    for _ in range(2):
        update = learner.update()
        assert update.bars.shape == (settings.window, settings.lanes)
        assert torch.equal(update.bars.diff(dim=0), torch.full_like(update.bars[1:], 2))
        assert update.table.shape == (*update.bars.shape, 3)
        assert float(update.loss) > 0
    seen = torch.isin(update.bars[0], torch.from_numpy(learner.environment.starts(slice(0, 3_427))))
    assert bool(seen.all())


def test_loading_a_state_goes_on_bit_for_bit(make: MakeLearner, name: str) -> None:
    original, restored = make(learner=name), make(seed=99, learner=name)
    for _ in range(10):
        original.update()
    restored.load_state_dict(original.state_dict())
    for _ in range(2):
        original.update()
        restored.update()
    theirs = restored.state_dict()
    assert original.state_dict().keys() == theirs.keys()
    for key, tensor in original.state_dict().items():
        assert torch.equal(tensor, theirs[key]), key


def test_a_state_is_a_copy(make: MakeLearner, name: str) -> None:
    learner = make(learner=name)
    learner.update()
    state = learner.state_dict()
    before = {key: tensor.clone() for key, tensor in state.items()}
    learner.update()
    assert all(torch.equal(tensor, before[key]) for key, tensor in state.items())


def test_learning_never_touches_the_global_generator(make: MakeLearner, name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    make(learner=name).update()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_frozen_trunk_rests_and_then_learns(make: MakeLearner, name: str) -> None:
    frozen = make(learner=name, guidance=Guidance(frozen_updates=2))
    assert isinstance(frozen, QLearner)
    first = weights(frozen)
    frozen.update()
    frozen.update()
    resting, learning = weights(frozen), ("values.weight", "horizon_head.weight")
    assert torch.equal(resting["trunk.0.weight"], first["trunk.0.weight"])
    assert not any(torch.equal(resting[key], first[key]) for key in learning)
    frozen.update()
    assert not torch.equal(weights(frozen)["trunk.0.weight"], first["trunk.0.weight"])


def test_the_learning_rate_falls_to_zero_with_the_updates(make: MakeLearner, name: str) -> None:
    learner = make(learner=name, episodes=1)
    assert isinstance(learner, QLearner)
    for _ in range(learner.settings.updates - 1):
        learner.update()
    moving = weights(learner)
    learner.update()
    still = weights(learner)
    assert not torch.equal(still["values.weight"], moving["values.weight"])
    learner.update()
    assert all(torch.equal(tensor, still[key]) for key, tensor in weights(learner).items())


def test_the_policy_is_an_average_of_the_weights(make: MakeLearner, name: str) -> None:
    learner = make(learner=name)
    assert isinstance(learner, QLearner)
    learner.update()
    average, newest = (
        network.values.weight.detach() for network in (learner.policy, learner.network)
    )
    assert 0 < float(average.abs().sum()) < float(newest.abs().sum())
