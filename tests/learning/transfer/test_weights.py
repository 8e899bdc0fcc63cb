import pytest
import torch

from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.weights import ColumnPlan, match_columns, transfer_weights
from tests.learning.transfer.conftest import MakeNetwork


def transfer(
    source: QNetwork, target: QNetwork, unit: float = 1.0, *, horizons: bool = True
) -> ColumnPlan:
    plan = match_columns(source.columns, target.columns)
    transfer_weights(source, target, plan, unit=unit, horizons=horizons)
    return plan


def test_the_target_begins_as_the_sources_policy_by_feature_name(network: MakeNetwork) -> None:
    source = network(("a", "b", "c"), (1, 72), seed=1)
    target = network(("new", "c", "a"), (6, 144), seed=2)
    assert transfer(source, target) == ColumnPlan(("c", "a"), ("new",), ("b",))
    seen = torch.randn(50, 3, generator=torch.Generator().manual_seed(3))
    named = torch.stack([seen[:, 2], torch.zeros(50), seen[:, 1]], dim=1)
    assert torch.allclose(target(seen)[0], source(named)[0], atol=1e-5)


def test_values_are_brought_to_the_targets_unit(network: MakeNetwork) -> None:
    source, target = network(("a",), (1, 72), seed=1), network(("a",), (6, 144), seed=2)
    transfer(source, target, unit=0.25)
    seen = torch.randn(50, 1, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(target(seen)[0], 0.25 * source(seen)[0], atol=1e-5)
    assert torch.equal(target.horizon_head.weight, source.horizon_head.weight)


@pytest.mark.parametrize("horizons", [True, False])
def test_a_horizon_that_both_have_is_predicted_alike_if_the_head_comes_too(
    network: MakeNetwork, horizons: bool
) -> None:
    source, target = network(("a",), (1, 24, 72), seed=1), network(("a",), (6, 24), seed=2)
    fresh = target.horizon_head.weight.clone()
    transfer(source, target, horizons=horizons)
    seen = torch.randn(20, 1, generator=torch.Generator().manual_seed(3))
    alike = torch.allclose(target(seen)[1][:, 1], source(seen)[1][:, 1], atol=1e-6)
    assert alike is horizons
    assert torch.equal(target.horizon_head.weight, fresh) is not horizons


def test_the_source_stays_as_it_is_and_shares_nothing(network: MakeNetwork) -> None:
    source, target = network(("a",), (1, 2), 1), network(("a",), (1, 2), 2)
    before = {name: t.clone() for name, t in source.state_dict().items()}
    transfer(source, target, unit=2.0)
    with torch.no_grad():
        for weight in target.parameters():
            weight.add_(1)
    assert all(torch.equal(t, before[name]) for name, t in source.state_dict().items())
