import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.learning.transfer.gates import WIDEST, Importance, InputGates, gate_priors
from tests.learning.transfer.conftest import MakeNetwork


def drops(**features: tuple[float, float]) -> Importance:
    return {name: {"drop": drop, "se": se} for name, (drop, se) in features.items()}


def test_what_mattered_counts_for_more_and_noise_is_neutral() -> None:
    importance = drops(signal=(1.0, 0.1), weak=(0.3, 0.1), noise=(0.05, 0.1), harmful=(-0.5, 0.1))
    priors = gate_priors(importance, ("noise", "signal", "weak", "harmful"))
    assert priors["noise"] == 0
    assert priors["signal"] == pytest.approx(WIDEST * 0.9)
    assert priors["weak"] == pytest.approx(WIDEST * 0.2)
    assert priors["harmful"] == pytest.approx(-WIDEST * 0.4)


def test_features_are_matched_by_name_and_an_unknown_one_gets_the_median() -> None:
    importance = drops(a=(1.0, 0.0), b=(0.5, 0.0), c=(0.1, 0.2))
    assert gate_priors(importance, ("new", "b")) == {
        "new": pytest.approx(WIDEST * 0.5),
        "b": pytest.approx(WIDEST * 0.5),
    }
    assert gate_priors({}, ("new",)) == {"new": 0.0}


@given(
    st.lists(
        st.tuples(
            st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(0, 1e6, allow_subnormal=False)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_no_feature_is_ever_dropped(values: list[tuple[float, float]]) -> None:
    importance = drops(**{f"f{i}": value for i, value in enumerate(values)})
    columns = [f"f{i}.x" for i in range(len(values))]
    scale = InputGates(columns, gate_priors(importance, list(importance))).scale.detach()
    assert 0.09 < float(scale.min()) <= float(scale.max()) < 1.91


def test_one_gate_serves_all_columns_of_its_feature_and_is_trained() -> None:
    gates = InputGates(["b.0", "a.0", "b.1"], {"a": 0.0, "b": 1.0})
    wide = 2 / (1 + math.exp(-1))
    seen = gates(torch.ones(1, 3))
    assert seen[0].tolist() == pytest.approx([wide, 1.0, wide])
    seen[0, 0].backward()
    assert gates.logits.grad is not None
    assert gates.logits.grad[0] > 0
    assert gates.logits.grad[1] == 0


def test_gates_are_pulled_towards_their_prior() -> None:
    gates = InputGates(["a.0"], {"a": 1.0})
    with torch.no_grad():
        gates.logits.fill_(3.0)
    gates.settle(0.25)
    assert gates.logits.tolist() == [2.5]
    gates.settle(0.0)
    assert gates.logits.tolist() == [2.5]


def test_folded_gates_leave_a_network_like_any_other(network: MakeNetwork) -> None:
    gated, plain = network(("a.0", "b.0"), (1, 2), 1), network(("a.0", "b.0"), (1, 2), 1)
    gated.gates = InputGates(gated.columns, {"a": 2.0, "b": -2.0})
    seen = torch.randn(30, 2, generator=torch.Generator().manual_seed(3))
    before = gated(seen)[0]
    assert not torch.allclose(before, plain(seen)[0], atol=1e-2)
    gated.fold_gates()
    assert torch.allclose(gated(seen)[0], before, atol=1e-5)
    assert gated.state_dict().keys() == plain.state_dict().keys()
