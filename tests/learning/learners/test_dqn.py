import dataclasses

import torch

from btc_ai.learning.learners.dqn import TARGET_EVERY, DoubleDQN, double_q_targets
from btc_ai.learning.learners.replay import Transitions
from btc_ai.learning.network import POSITIONS
from tests.learning.learners.conftest import G2, MakeLearner


def test_the_online_network_chooses_and_the_target_network_values() -> None:
    costs = 0.5 * torch.tensor([[abs(a - k) for a in POSITIONS] for k in POSITIONS])
    drawn = Transitions(
        bars=torch.tensor([0, 0]),
        held=torch.tensor([1, 1]),
        actions=torch.tensor([0, 2]),
        returns=torch.tensor([1.0, 2.0]),
        later_bars=torch.tensor([3, 3]),
        later_held=torch.tensor([0, 2]),
        discounts=torch.tensor([0.9, 0.5]),
    )
    online = torch.tensor([[0.0, 0.4, 1.1], [0.0, 0.6, 1.0]])
    target = torch.tensor([[7.0, 8.0, 9.0], [4.0, 5.0, 6.0]])
    # From −1, +1 is worth 1.1 − 1.0 and beats 0.4 − 0.5; from +1, staying is worth most.
    expected = [1.0 + 0.9 * (9.0 - 1.0), 2.0 + 0.5 * 6.0]
    assert torch.allclose(double_q_targets(drawn, online, target, costs), torch.tensor(expected))


def test_the_target_network_follows_from_time_to_time(make: MakeLearner) -> None:
    learner = make(learner="dqn")
    assert isinstance(learner, DoubleDQN)

    def targets() -> torch.Tensor:
        return learner.state_dict()["target.values.weight"]

    before = targets()
    for _ in range(TARGET_EVERY // G2.window):
        learner.update()
        assert torch.equal(targets(), before)
    learner.update()
    assert not torch.equal(targets(), before)
    assert not torch.equal(targets(), learner.network.values.weight)


def test_buffer_and_batch_are_what_the_guide_says(make: MakeLearner) -> None:
    learner = make(learner="dqn", buffer_size=1_000, batch_size=7)
    assert isinstance(learner, DoubleDQN)
    drawn: list[int] = []
    sample = learner._replay.sample

    def watched(count: int, *rest: object) -> Transitions:
        transitions = sample(count, *rest)  # type: ignore[arg-type]
        drawn.append(len(transitions.bars))
        return transitions

    learner._replay.sample = watched  # type: ignore[method-assign, assignment]
    learner.update()
    learner.update()
    assert set(drawn) == {7}
    assert len(drawn) == 2 * G2.window
    assert len(learner._replay) == 1_000


def test_a_buffer_smaller_than_the_accounts_has_fewer_of_them() -> None:
    tiny = dataclasses.replace(G2, learner="dqn", buffer_size=5)
    assert tiny.lanes == 5
    assert tiny.updates_per_episode == 1
