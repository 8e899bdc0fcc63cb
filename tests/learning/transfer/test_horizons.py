import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.learning.horizons import horizon_loss
from btc_ai.learning.transfer.horizons import LEAST, horizon_weights


def test_horizons_are_matched_by_length_in_log_h() -> None:
    middle = round(math.sqrt(4 * 64))
    weights = horizon_weights({64: 0.03, 4: 0.01}, (4, middle, 64))
    assert weights == pytest.approx([0.5 + 0.25, 1.0, 0.5 + 0.75])


def test_beyond_the_sources_horizons_the_median_is_taken_not_the_nearest() -> None:
    weights = horizon_weights({1: 0.0, 8: 0.02, 72: 0.04}, (8, 576))
    assert weights == pytest.approx([1.0, 1.0])


def test_what_was_not_predicted_weighs_half_and_is_never_dropped() -> None:
    assert horizon_weights({2: -0.5, 8: 0.01}, (2, 8)) == pytest.approx([LEAST, 1.5])


def test_without_any_skill_all_weigh_the_same_and_unknown_is_none() -> None:
    assert horizon_weights({2: -0.5, 8: 0.0}, (2, 8, 20)) == (1.0, 1.0, 1.0)
    assert horizon_weights({2: None}, (2, 8)) is None
    assert horizon_weights({}, (2, 8)) is None


@given(
    st.dictionaries(st.integers(1, 4000), st.floats(-1, 1, allow_subnormal=False), min_size=1),
    st.sets(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_weights_have_mean_one(skill: dict[int, float | None], horizons: set[int]) -> None:
    weights = horizon_weights(skill, sorted(horizons))
    assert weights is not None
    assert sum(weights) / len(weights) == pytest.approx(1)
    assert min(weights) >= LEAST - 1e-9


def test_weighted_loss() -> None:
    predicted, outcome = torch.zeros(1, 2), torch.tensor([[0.5, 1.0]])
    loss = horizon_loss(predicted, outcome, torch.tensor(2), torch.tensor([1.5, 0.5]))
    assert loss.item() == pytest.approx((1.5 * 0.125 + 0.5 * 0.5) / 2)
    even = horizon_loss(predicted, outcome, torch.tensor(2), torch.ones(2))
    assert even.item() == pytest.approx(horizon_loss(predicted, outcome, torch.tensor(2)).item())
