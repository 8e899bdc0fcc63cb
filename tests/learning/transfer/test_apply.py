"""Which of the three kinds does what, alone and together."""

from typing import Any

import pytest
import torch

from btc_ai.api.transfer import KINDS
from btc_ai.errors import TrainingError
from btc_ai.learning.learners.learner import Guidance
from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.apply import Transfer, apply_transfer
from btc_ai.learning.transfer.knowledge import Knowledge
from btc_ai.learning.transfer.weights import FROZEN_UPDATES
from btc_ai.names import TransferKind
from tests.learning.transfer.conftest import MakeKnowledge

SOURCE = ("a.0", "old.0", "b.0")
TARGET = ("b.0", "new.0", "a.0")
HORIZONS = (6, 13, 29, 65, 144)


def fresh() -> QNetwork:
    return QNetwork(TARGET, HORIZONS, torch.Generator().manual_seed(2))


def apply(
    knowledge: Knowledge, network: QNetwork, *kinds: TransferKind, **options: Any
) -> tuple[Transfer, Guidance]:
    where = {"sigma": 20e-4, "min_horizon": 4, **options}
    return apply_transfer(knowledge, network, kinds, **where)


def test_weights_alone(knowledge: MakeKnowledge) -> None:
    source, network = knowledge(SOURCE), fresh()
    done, guidance = apply(source, network, "weights")
    assert done.to_json() == {
        "kinds": ["weights"],
        "source": source.source,
        "matched": ["b.0", "a.0"],
        "new": ["new.0"],
        "left": ["old.0"],
        "horizons": {},
        "gates": {},
        "placebo": None,
    }
    assert guidance.frozen_updates == FROZEN_UPDATES
    assert guidance.horizon_weights is None
    assert network.gates is None
    assert not network.horizon_head.weight.any()
    assert torch.allclose(network.values.weight, source.network.values.weight / 2)


def test_features_alone_give_gates_and_nothing_else(knowledge: MakeKnowledge) -> None:
    network, untouched = fresh(), fresh()
    done, guidance = apply(knowledge(SOURCE), network, "features")
    assert done.kinds == ("features",)
    assert done.gates["a"] > 1.8
    assert done.gates["b"] == 1
    assert 1 < done.gates["new"] < done.gates["a"]
    assert (guidance.frozen_updates, guidance.teacher) == (0, None)
    assert network.gates is not None
    network.gates = None
    for name, tensor in untouched.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])


def test_horizons_alone_give_loss_weights_and_need_no_common_feature(
    knowledge: MakeKnowledge,
) -> None:
    network = fresh()
    done, guidance = apply(knowledge(("else.0",)), network, "horizons")
    assert guidance.horizon_weights is not None
    assert list(done.horizons) == [str(h) for h in HORIZONS]
    assert done.horizons["6"] > done.horizons["13"] == done.horizons["144"]
    assert (guidance.frozen_updates, guidance.teacher) == (0, None)
    assert not network.horizon_head.weight.any()


def test_the_horizon_head_goes_with_the_weights(knowledge: MakeKnowledge) -> None:
    source, network = knowledge(SOURCE), fresh()
    apply(source, network, "weights", "horizons")
    assert torch.equal(network.horizon_head.weight, source.network.horizon_head.weight)


def test_all_three_begin_as_the_sources_policy_and_so_does_the_teacher(
    knowledge: MakeKnowledge,
) -> None:
    source, network, ungated = knowledge(SOURCE), fresh(), fresh()
    done, guidance = apply(source, network, *KINDS)
    apply(source, ungated, "weights")
    assert done.kinds == KINDS
    assert network.gates is not None
    seen = torch.randn(40, 3, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(network(seen)[0], ungated(seen)[0], atol=1e-5)
    assert guidance.teacher is not None
    assert torch.equal(guidance.teacher(seen)[0], ungated(seen)[0])


def test_a_model_that_abstains_has_no_policy_to_teach(knowledge: MakeKnowledge) -> None:
    _, guidance = apply(knowledge(SOURCE, abstains=True), fresh(), "weights")
    assert guidance.teacher is None
    assert guidance.frozen_updates == FROZEN_UPDATES


@pytest.mark.parametrize("kinds", [("weights",), ("features",), KINDS])
def test_no_feature_in_common_is_refused_and_names_both_sides(
    knowledge: MakeKnowledge, kinds: tuple[TransferKind, ...]
) -> None:
    message = r"model of Scalping in /runs/1/Scalping: it has else.0; the target has b.0.*--no-tr"
    with pytest.raises(TrainingError, match=message):
        apply(knowledge(("else.0",)), fresh(), *kinds)


def test_a_kind_that_the_source_kept_nothing_for_is_left_out(knowledge: MakeKnowledge) -> None:
    """As by models of earlier versions."""
    old = knowledge(SOURCE, importance={}, skill={}, sigma=None)
    done, guidance = apply(old, fresh(), *KINDS)
    assert done.kinds == ("weights", "horizons")
    assert guidance.horizon_weights is None
    with pytest.raises(TrainingError, match=r"keeps nothing .*\(features, horizons\)"):
        apply(old, fresh(), "features", "horizons")
    with pytest.raises(TrainingError, match="no kind"):
        apply(knowledge(SOURCE), fresh())
