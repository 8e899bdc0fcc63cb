import pytest
import torch

from btc_ai.errors import TrainingError
from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.weights import plan_transfer, transfer_weights


def network(columns: tuple[str, ...], horizons: tuple[int, ...], seed: int) -> QNetwork:
    generator = torch.Generator().manual_seed(seed)
    built = QNetwork(columns, horizons, generator)
    with torch.no_grad():
        for head in (built.values, built.horizon_head):
            head.weight.normal_(generator=generator)
    return built


def test_the_target_begins_as_the_sources_policy_by_feature_name() -> None:
    source = network(("a", "b", "c"), (1, 72), seed=1)
    target = network(("new", "c", "a"), (6, 144), seed=2)
    done = transfer_weights(source, target)
    assert done.to_json() == {"matched": ["c", "a"], "new": ["new"], "left": ["b"]}
    seen = torch.randn(50, 3, generator=torch.Generator().manual_seed(3))
    named = torch.stack([seen[:, 2], torch.zeros(50), seen[:, 1]], dim=1)
    assert torch.allclose(target(seen)[0], source(named)[0], atol=1e-5)


def test_a_horizon_that_both_have_is_predicted_alike() -> None:
    source = network(("a",), (1, 24, 72), seed=1)
    target = network(("a",), (6, 24), seed=2)
    transfer_weights(source, target)
    seen = torch.randn(20, 1, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(target(seen)[1][:, 1], source(seen)[1][:, 1], atol=1e-6)


def test_the_source_stays_as_it_is_and_shares_nothing() -> None:
    source, target = network(("a",), (1, 2), 1), network(("a",), (1, 2), 2)
    before = {name: t.clone() for name, t in source.state_dict().items()}
    transfer_weights(source, target)
    with torch.no_grad():
        for weight in target.parameters():
            weight.add_(1)
    assert all(torch.equal(t, before[name]) for name, t in source.state_dict().items())


def test_no_feature_in_common_is_refused_and_names_both_sides() -> None:
    with pytest.raises(TrainingError, match=r"source has a, b; the target has c.*--no-transfer"):
        plan_transfer(("a", "b"), ("c",))
