from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor

from btc_ai.learning.audit.serving import train_serve_equality
from btc_ai.learning.audit.subject import Effort, Pipeline, Subject, served_features
from btc_ai.learning.environment import MarketEnvironment, greedy_table
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, build_features, builtin_features
from btc_ai.market.scaler import RobustScaler
from tests.learning.audit.conftest import (
    EarlyEnvironment,
    chikou,
    filled_at_the_close,
    leaking_registry,
    with_centred_volatility,
)

Audited = Callable[..., Subject]


def test_the_product_passes_with_every_feature_and_with_holes(
    audited: Audited, holed: Candles
) -> None:
    subject = audited(holed, features=builtin_features().names, effort=Effort())
    check = train_serve_equality(subject)
    assert check.passed, check.findings
    assert "at 12 bars" in check.looked_at and "at 192 bars" in check.looked_at


def test_serving_from_a_recent_window_is_caught(audited: Audited) -> None:
    """TA-Lib's recursions start elsewhere: the last digits differ."""

    def recent(
        candles: Candles, registry: FeatureRegistry, bucket: TrainingSettings, scaler: RobustScaler
    ) -> Any:
        return served_features(candles.take(slice(-300, None)), registry, bucket, scaler)

    (finding,) = train_serve_equality(audited(pipeline=Pipeline(serve=recent))).findings
    assert finding.part.startswith("feature columns rsi.rsi_")
    assert "training saw another value" in finding.detail


def test_serving_with_a_scaler_of_its_own_is_caught(audited: Audited) -> None:
    def refitted(
        candles: Candles, registry: FeatureRegistry, bucket: TrainingSettings, scaler: RobustScaler
    ) -> Any:
        matrix = build_features(candles, bucket.features, registry)
        own = RobustScaler.fit(matrix.values[matrix.valid], matrix.columns)
        return own.transform(matrix.values[-1:])

    (finding,) = train_serve_equality(audited(pipeline=Pipeline(serve=refitted))).findings
    assert "price.return_1" in finding.part


def test_a_feature_that_reads_ahead_is_named(audited: Audited) -> None:
    subject = audited(features=("price", "planted"), registry=leaking_registry(planted=chikou))
    (finding,) = train_serve_equality(subject).findings
    assert finding.part == "feature columns planted.span"


def test_serving_that_acts_on_other_costs_is_caught(audited: Audited) -> None:
    def for_free(network: QNetwork, features: Tensor, cost: float) -> Any:
        return greedy_table(network, features, 0.0)

    pipeline = Pipeline(act=for_free)
    (finding,) = train_serve_equality(audited(pipeline=pipeline, effort=Effort())).findings
    assert finding.part == "greedy actions"


def test_targets_in_a_unit_that_serving_cannot_know_are_caught(audited: Audited) -> None:
    pipeline = Pipeline(dataset=with_centred_volatility)
    (finding,) = train_serve_equality(audited(pipeline=pipeline)).findings
    assert finding.part == "horizon targets"


def test_a_reward_from_the_close_is_caught(audited: Audited, gaps: Candles) -> None:
    subject = audited(gaps, pipeline=Pipeline(dataset=filled_at_the_close))
    (finding,) = train_serve_equality(subject).findings
    assert finding.part == "environment's rollout"
    assert "filled at the close of the very bar" in finding.detail


def test_a_reward_of_the_bar_that_was_seen_is_caught(audited: Audited) -> None:
    (finding,) = train_serve_equality(
        audited(pipeline=Pipeline(environment=EarlyEnvironment))
    ).findings
    assert "before it was seen" in finding.detail


@pytest.mark.parametrize("error", [3e-6, -3e-6])
def test_targets_are_held_to_a_millionth(audited: Audited, error: float) -> None:
    class Off(MarketEnvironment):
        def held_returns(self, discount: float) -> Any:
            return super().held_returns(discount) + error

    (finding,) = train_serve_equality(audited(pipeline=Pipeline(environment=Off))).findings
    assert finding.part == "reward target"
    assert "filled at the open of the next bar, as they should be" in finding.detail
