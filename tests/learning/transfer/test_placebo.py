from pathlib import Path

import torch

from btc_ai.learning.transfer.knowledge import Knowledge
from btc_ai.learning.transfer.placebo import placebo
from tests.learning.transfer.conftest import MakeKnowledge


def test_entries_change_places_and_none_is_lost(knowledge: MakeKnowledge) -> None:
    source = knowledge(("a.0", "a.1", "b.0"))
    before = {name: t.clone() for name, t in source.network.state_dict().items()}
    scrambled = placebo(source, seed=4)
    for name, tensor in scrambled.network.state_dict().items():
        assert torch.equal(tensor.flatten().sort().values, before[name].flatten().sort().values)
        assert torch.equal(source.network.state_dict()[name], before[name])
    assert not torch.equal(scrambled.network.input_layer.weight, before["trunk.0.weight"])
    assert sorted(scrambled.skill) == sorted(source.skill)
    assert sorted(map(str, scrambled.skill.values())) == sorted(map(str, source.skill.values()))
    assert sorted(scrambled.importance) == sorted(source.importance)


def weights(knowledge: Knowledge) -> torch.Tensor:
    return knowledge.network.input_layer.weight


def test_a_seed_is_one_placebo(knowledge: MakeKnowledge, tmp_path: Path) -> None:
    source = knowledge(("a.0", "b.0"))
    assert torch.equal(weights(placebo(source, 4)), weights(placebo(source, 4)))
    assert not torch.equal(weights(placebo(source, 4)), weights(placebo(source, 5)))
