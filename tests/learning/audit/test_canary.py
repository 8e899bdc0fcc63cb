from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from btc_ai.learning.audit.canary import gap_canary
from btc_ai.learning.audit.subject import Pipeline, Subject
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import builtin_features
from tests.learning.audit.conftest import (
    EarlyEnvironment,
    chikou,
    filled_at_the_close,
    leaking_registry,
)

Audited = Callable[..., Subject]


def test_an_order_filled_at_the_close_is_caught_by_name(audited: Audited) -> None:
    check = gap_canary(audited(pipeline=Pipeline(dataset=filled_at_the_close)))
    (finding,) = check.findings
    assert finding.part == "environment"
    assert "orders are filled at the close of the very bar" in finding.detail
    assert "at the open of the next" in finding.advice


@pytest.mark.parametrize("features", [("price",), builtin_features().names])
@pytest.mark.parametrize("seed", range(3))
def test_the_product_stays_flat(audited: Audited, features: tuple[str, ...], seed: int) -> None:
    check = gap_canary(audited(features=features, seed=seed))
    assert check.passed, check.findings


def test_an_order_filled_before_the_bar_was_seen_is_caught(audited: Audited) -> None:
    (finding,) = gap_canary(audited(pipeline=Pipeline(environment=EarlyEnvironment))).findings
    assert "at the open of the bar that the decision was taken on" in finding.detail


def test_trading_for_free_is_caught(audited: Audited) -> None:
    class Free(MarketEnvironment):
        def __init__(self, dataset: Dataset, settings: TrainingSettings) -> None:
            super().__init__(dataset, settings)
            self.cost = 0.0

    (finding,) = gap_canary(audited(pipeline=Pipeline(environment=Free))).findings
    assert "as they should be" in finding.detail
    assert "where exact timing says" in finding.detail


def test_rewards_that_training_alone_sees_early_make_the_policy_trade(audited: Audited) -> None:
    """Accounting is right, what is learned from is not: only the policy tells."""

    class EarlyTargets(MarketEnvironment):
        def held_returns(self, discount: float) -> Any:
            held = super().held_returns(discount)
            return np.concatenate([held[:1], held[:-1]])

    (finding,) = gap_canary(audited(pipeline=Pipeline(environment=EarlyTargets))).findings
    assert "the policy trades" in finding.detail


def test_a_feature_that_reads_ahead_makes_the_policy_trade(audited: Audited) -> None:
    registry = leaking_registry(planted=chikou)
    check = gap_canary(audited(features=("price", "planted"), registry=registry))
    assert "the policy trades" in check.findings[0].detail
