import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from btc_ai.learning.audit.future import scrambled, scrambled_future
from btc_ai.learning.audit.subject import Effort, Pipeline, Subject
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment, Rollout
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry
from btc_ai.market.quality import check_candles
from tests.learning.audit.conftest import (
    chikou,
    leaking_registry,
    scaled_on_everything,
    with_centred_volatility,
)

Audited = Callable[..., Subject]


def test_a_scaler_fitted_on_all_data_is_caught_by_name(audited: Audited) -> None:
    check = scrambled_future(audited(pipeline=Pipeline(dataset=scaled_on_everything)))
    (finding,) = check.findings
    assert finding.part.startswith("scaler of price.return_1, price.return_6")
    assert "fitted on all of the data" in finding.detail


def test_a_feature_that_reads_ahead_changes_the_action_before(audited: Audited) -> None:
    subject = audited(
        features=("price", "planted"), registry=leaking_registry(planted=chikou), effort=Effort()
    )
    (finding,) = scrambled_future(subject).findings
    assert finding.part == "feature column planted.span"


def test_a_volatility_that_looks_both_ways_is_caught(audited: Audited) -> None:
    pipeline = Pipeline(dataset=with_centred_volatility)
    (finding,) = scrambled_future(audited(pipeline=pipeline)).findings
    assert finding.part == "dataset's volatility"


def test_a_reward_scale_of_all_data_is_caught(audited: Audited) -> None:
    def scaled(candles: Candles, registry: FeatureRegistry, bucket: TrainingSettings) -> Dataset:
        dataset = Dataset.from_candles(candles, registry, bucket)
        return dataclasses.replace(dataset, reward_scale=float(np.diff(dataset.log_open).std()))

    (finding,) = scrambled_future(audited(pipeline=Pipeline(dataset=scaled))).findings
    assert finding.part == "reward scale"


def test_an_environment_that_acts_on_what_comes_is_caught(audited: Audited) -> None:
    class Clairvoyant(MarketEnvironment):
        def rollout(self, network: QNetwork, part: slice) -> Rollout:
            rollout = super().rollout(network, part)
            return dataclasses.replace(rollout, positions=np.sign(rollout.returns)[None, :])

    subject = audited(pipeline=Pipeline(environment=Clairvoyant), effort=Effort())
    (finding,) = scrambled_future(subject).findings
    assert finding.part == "greedy actions"
    assert "changes with bars that follow" in finding.detail


def test_targets_of_the_training_part_that_reach_into_validation_are_caught(
    audited: Audited,
) -> None:
    class Reaching(MarketEnvironment):
        def held_returns(self, discount: float) -> Any:
            return super().held_returns(discount) + self.dataset.log_open[-1]

    (finding,) = scrambled_future(audited(pipeline=Pipeline(environment=Reaching))).findings
    assert finding.part == "reward targets"


def test_the_product_passes_also_with_holes(audited: Audited, holed: Candles) -> None:
    for candles in (holed, holed.take(slice(800, None))):
        check = scrambled_future(audited(candles, effort=Effort(), seed=3))
        assert check.passed, check.findings


def test_scrambling_leaves_sound_candles_and_the_past_alone(holed: Candles) -> None:
    other = scrambled(holed, 4_000, np.random.default_rng(0))
    assert not check_candles(other).errors
    assert other.take(slice(0, 4_001)).sha256 == holed.take(slice(0, 4_001)).sha256
    for name in ("open", "high", "low", "close", "volume"):
        assert (getattr(other, name)[4_001:] != getattr(holed, name)[4_001:]).mean() > 0.99


def test_the_probing_network_trades(audited: Audited) -> None:
    from btc_ai.learning.audit.probe import trading_network

    subject = audited()
    network = trading_network(subject)
    positions = subject.environment.rollout(network, subject.dataset.splits.test).positions
    assert np.abs(positions).mean() > 0.2
    assert torch.equal(network.values.weight, trading_network(subject).values.weight)
