from typing import Any

import pytest
import torch
from torch import Tensor

from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.learner import Guidance
from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.kickstart import Kickstart
from btc_ai.names import BUILTIN_LEARNERS
from tests.learning.learners.conftest import MakeLearner, make
from tests.learning.transfer.conftest import MakeNetwork

__all__ = ["make"]
COLUMNS = ("signal.x", *(f"noise.{i}" for i in range(12)))


class CountingNetwork(QNetwork):
    """Says how many times it was looked through."""

    looks = 0

    def encode(self, features: Tensor) -> Tensor:
        type(self).looks += 1
        return super().encode(features)


def teacher() -> CountingNetwork:
    CountingNetwork.looks = 0
    built = CountingNetwork(COLUMNS, (1, 2), torch.Generator().manual_seed(7))
    with torch.no_grad():
        built.values.weight.normal_(generator=torch.Generator().manual_seed(8))
    return built


def test_strength_falls_to_nothing(network: MakeNetwork) -> None:
    kickstart = Kickstart(network(("a",), (1, 2), 1), steps=10)
    assert [kickstart.strength(step) for step in (0, 5, 10, 99)] == [0.5, 0.25, 0, 0]
    assert Kickstart(network(("a",), (1, 2), 1), steps=0).strength(0) == 0


def test_only_what_positions_are_worth_against_each_other_is_taught(network: MakeNetwork) -> None:
    taught = network(("a",), (1, 2), 1)
    kickstart, seen = Kickstart(taught, steps=10), torch.randn(9, 1)
    values = taught(seen)[0].detach()
    assert kickstart.loss(values, seen, 0).item() == 0
    assert kickstart.loss(values + 3, seen, 0).item() == pytest.approx(0, abs=1e-6)
    assert kickstart.loss(-values, seen, 0).item() > 0.01


@pytest.mark.parametrize("name", BUILTIN_LEARNERS)
def test_every_learner_follows_its_teacher_for_a_tenth_of_the_run_and_then_forgets_it(
    make: MakeLearner, name: str
) -> None:
    guided = make(
        learner=name, guidance=Guidance(teacher=teacher()), buffer_size=2_048, episodes=10
    )
    alone = make(learner=name, buffer_size=2_048, episodes=10)
    assert isinstance(guided, QLearner)
    guided.update()
    alone.update()
    assert not torch.equal(guided.policy.values.weight, alone.policy.values.weight)
    while guided.progress < 0.1:
        assert CountingNetwork.looks > 0
        guided.update()
    over = CountingNetwork.looks
    guided.update()
    assert CountingNetwork.looks == over


@pytest.mark.parametrize("name", BUILTIN_LEARNERS)
def test_a_state_taken_up_in_the_middle_of_guidance_goes_on_bit_for_bit(
    make: MakeLearner, name: str
) -> None:
    guidance = Guidance(1, teacher(), (1.5, 0.5, 1.0, 0.8, 1.2))
    run: dict[str, Any] = {"learner": name, "gates": {"signal": 2.0, "noise": 0.0}, "episodes": 100}
    original, restored = (make(seed, guidance=guidance, **run) for seed in (0, 99))
    for _ in range(2):
        original.update()
    restored.load_state_dict(original.state_dict())
    for _ in range(2):
        original.update()
        restored.update()
    assert isinstance(original, QLearner)
    assert original.progress < 0.1
    theirs = restored.state_dict()
    assert "network.gates.logits" in theirs
    for key, tensor in original.state_dict().items():
        assert torch.equal(tensor, theirs[key]), key


def test_a_teacher_counts_the_same_however_an_update_is_cut_into_chunks(make: MakeLearner) -> None:
    whole, cut = (make(guidance=Guidance(teacher=teacher()), batch_size=64) for _ in range(2))
    assert isinstance(whole, CounterfactualQ)
    assert isinstance(cut, CounterfactualQ)
    whole._chunk = 64
    for learner in (whole, cut):
        learner.update()
    assert (whole.chunks, cut.chunks) == (1, 2)
    gradients = (learner.network.values.weight.grad for learner in (whole, cut))
    first, second = gradients
    assert first is not None
    assert second is not None
    assert torch.allclose(first, second, rtol=1e-4, atol=1e-7)


def test_gates_learn_and_are_pulled_towards_their_prior(make: MakeLearner) -> None:
    learner = make(gates={"signal": 2.0, "noise": 0.0})
    assert isinstance(learner, QLearner)
    gates, averaged = learner.network.gates, learner.policy.gates
    assert gates is not None
    assert averaged is not None
    assert averaged is not gates
    with torch.no_grad():
        gates.logits.add_(1)
    learner.update()
    away = (gates.logits - gates.prior).detach()
    assert away.tolist() == pytest.approx([0.9, 0.9], abs=2e-3)
    assert away[0] != away[1]
    assert (averaged.logits - gates.prior).abs().min() > 0
