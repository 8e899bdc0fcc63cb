"""A model trades only where validation gives evidence that it pays."""

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest

from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import features_of, settings_for
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.markets.martingale import Martingale
from btc_ai.learning.metrics import METRICS
from btc_ai.learning.model import load_model
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel

BARS = 12_000
PLAIN = AutoregressiveMarket(beta=0.4, features=("signal",))


def train(
    market: KnownMarket,
    settings: TrainingSettings,
    directory: Path,
    initial: InitialModel | None = None,
    seed: int = 1,
) -> BucketResult:
    own = settings_for(market, settings, seed)
    candles = market.candles(BARS, own.seed)
    return train_bucket(own, candles, features_of(market), directory, initial=initial)


@pytest.fixture
def bucket() -> TrainingSettings:
    """A bucket that learns a strong signal in a second."""
    return TrainingSettings(
        "B", 1, 24, ("signal",), learning_rate=2e-3, buffer_size=8_192, episodes=20
    )


@pytest.fixture
def unlearned(bucket: TrainingSettings, tmp_path: Path) -> BucketResult:
    """A model that has learned too little to trade."""
    slow = dataclasses.replace(bucket, learning_rate=1e-7, episodes=2)
    return train(PLAIN, slow, tmp_path / "unlearned")


def test_where_there_is_something_it_trades(bucket: TrainingSettings, tmp_path: Path) -> None:
    result = train(PLAIN, bucket, tmp_path)
    assert result.validation["t_value"] > 5
    assert result.validation["abstains"] is False
    assert result.evaluation["model"].trades > 0


def test_where_there_is_nothing_it_stays_flat_and_keeps_what_it_learned(
    bucket: TrainingSettings, tmp_path: Path
) -> None:
    """Without cost too, where any other value head would trade."""
    result = train(Martingale(cost_bps=0), bucket, tmp_path)
    assert result.validation["t_value"] < 2
    assert result.validation["abstains"] is True
    assert result.evaluation["model"].trades == 0
    assert load_model(result.model).network.horizon_head.weight.any()


@pytest.mark.parametrize("kind", ["continue", "transfer"])
def test_an_abstaining_model_can_be_learned_from(
    unlearned: BucketResult,
    bucket: TrainingSettings,
    tmp_path: Path,
    kind: Literal["continue", "transfer"],
) -> None:
    assert unlearned.validation["abstains"] is True
    initial = InitialModel(unlearned.model, kind)
    result = train(PLAIN, bucket, tmp_path / kind, initial)
    assert result.validation["start_value"] == 0
    assert result.validation["abstains"] is False
    assert result.evaluation["model"].net_bps_per_bar > 1


def rewards(result: BucketResult) -> list[float]:
    """Validation values of the episodes that were validated."""
    lines = (result.model / METRICS).read_text().splitlines()
    return [
        json.loads(line)["validation_reward"]
        for line in lines
        if json.loads(line)["validation_reward"] is not None
    ]


def test_the_checkpoint_kept_is_not_the_first_of_many_nor_one_that_is_clearly_worse(
    bucket: TrainingSettings, tmp_path: Path
) -> None:
    often = dataclasses.replace(bucket, validate_every=1)
    result = train(AutoregressiveMarket(beta=0.2, features=("signal", "noise")), often, tmp_path)
    values = rewards(result)
    chosen = result.validation["episode"]
    assert result.validation["value"] == values[chosen - 1] > 0.5 * max(values)
    assert chosen > values.index(max(values))
