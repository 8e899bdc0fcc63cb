"""The three kinds through the one door, `train_bucket`: what is saved, resumed, refused."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from btc_ai.api.transfer import KINDS
from btc_ai.errors import TrainingError
from btc_ai.learning.bucket import BucketResult
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.model_card import CARD, WEIGHTS, read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel, Start, make_start
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from btc_ai.names import BUILTIN_LEARNERS, TransferKind
from tests.learning.test_bucket import KilledError, same, train


@pytest.fixture(scope="module")
def source(
    walk: Candles, small: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> BucketResult:
    quick = dataclasses.replace(small, episodes=3, features=("price", "rsi", "macd"))
    return train(walk, quick, tmp_path_factory.mktemp("source") / "m")


@pytest.fixture
def target(small: TrainingSettings) -> TrainingSettings:
    """Other horizons, another decision interval, one feature left behind and one new."""
    return dataclasses.replace(
        small, bucket="Next", min_horizon=4, max_horizon=48, episodes=4,
        features=("macd", "volume", "price"),
    )  # fmt: skip


def teaching(source: BucketResult, directory: Path) -> Path:
    """The source's model as one that did not abstain, whose value head holds something."""
    directory.mkdir()
    weights = load_file(source.model / WEIGHTS)
    weights["values.weight"].normal_(generator=torch.Generator().manual_seed(1))
    content = save(weights)
    card = read_card(source.model)
    card["validation"]["abstains"] = False
    card["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (directory / WEIGHTS).write_bytes(content)
    (directory / CARD).write_text(json.dumps(card))
    return directory


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def begin(candles: Candles, settings: TrainingSettings, source: Path) -> Start:
    dataset = Dataset.from_candles(candles, builtin_features(), settings)
    return make_start(settings, dataset, InitialModel(source, kinds=KINDS))


def test_a_model_tells_what_its_features_are_worth(source: BucketResult) -> None:
    card = read_card(source.model)
    assert list(card["importance"]) == ["price", "rsi", "macd"]
    for drop in card["importance"].values():
        assert list(drop) == ["drop", "se", "low", "high"]
        assert drop["low"] <= drop["drop"] <= drop["high"]
    assert card["validation"]["horizon_skill"].keys() == card["horizon_skill"].keys()
    assert card["validation"]["horizon_skill"] != card["horizon_skill"]


def test_the_card_tells_the_transfer_and_the_weights_have_todays_format(
    walk: Candles, source: BucketResult, target: TrainingSettings, tmp_path: Path
) -> None:
    before = files(source.model)
    result = train(walk, target, tmp_path, initial=InitialModel(source.model, kinds=KINDS))
    told = read_card(result.model)["transfer"]
    assert told == result.transfer
    assert told["kinds"] == list(KINDS)
    assert told["source"] == {
        "bucket": "Small",
        "weights_sha256": source.weights_sha256,
        "path": str(source.model),
    }
    assert {name.split(".")[0] for name in told["matched"]} == {"macd", "price"}
    assert {name.split(".")[0] for name in told["new"]} == {"volume"}
    assert {name.split(".")[0] for name in told["left"]} == {"rsi"}
    assert list(told["horizons"]) == [str(h) for h in target.horizons]
    assert list(told["gates"]) == ["macd", "volume", "price"]
    assert load_file(result.model / WEIGHTS).keys() == load_file(source.model / WEIGHTS).keys()
    assert files(source.model) == before


@pytest.mark.parametrize("kinds", [("weights",), ("features",), ("horizons",)])
def test_each_kind_changes_what_is_learned(
    walk: Candles,
    source: BucketResult,
    target: TrainingSettings,
    tmp_path: Path,
    kinds: tuple[TransferKind, ...],
) -> None:
    card = read_card(source.model)
    for place, feature in enumerate(card["importance"].values()):
        feature |= {"drop": 1.0 - place / 2, "se": 0.1}
    card["validation"]["horizon_skill"] = {"2": 0.0, "7": 0.01, "24": 0.0}
    taught = teaching(source, tmp_path / "source")
    sha = read_card(taught)["weights_sha256"]
    (taught / CARD).write_text(json.dumps({**card, "weights_sha256": sha}))
    alone = train(walk, target, tmp_path / "alone")
    result = train(walk, target, tmp_path / "m", initial=InitialModel(taught, kinds=kinds))
    assert result.weights_sha256 != alone.weights_sha256


class Killer:
    def __init__(self, fatal_update: int) -> None:
        self.left = fatal_update

    def __call__(self) -> bool:
        self.left -= 1
        if self.left == 0:
            raise KilledError
        return False


@pytest.mark.parametrize("name", BUILTIN_LEARNERS)
def test_a_run_killed_while_its_teacher_helps_ends_as_if_it_had_not_been(
    walk: Candles, source: BucketResult, target: TrainingSettings, tmp_path: Path, name: str
) -> None:
    lanes = dataclasses.replace(target, learner=name).lanes
    settings = dataclasses.replace(
        target, learner=name, episodes=20, window=8, buffer_size=8 * lanes
    )
    options: dict[str, Any] = {
        "initial": InitialModel(teaching(source, tmp_path / "source"), kinds=KINDS),
        "checkpoint_seconds": 0,
    }
    whole = train(walk, settings, tmp_path / "whole", **options)
    with pytest.raises(KilledError):
        train(walk, settings, tmp_path / "killed", should_stop=Killer(4), **options)
    assert same(train(walk, settings, tmp_path / "killed", **options), whole)


def test_other_kinds_or_a_placebo_are_another_run(
    walk: Candles, source: BucketResult, target: TrainingSettings, tmp_path: Path
) -> None:
    result = train(walk, target, tmp_path, initial=InitialModel(source.model, placebo=3))
    assert result.transfer is not None
    assert result.transfer["placebo"] == 3
    for other in (
        InitialModel(source.model),
        InitialModel(source.model, placebo=4),
        InitialModel(source.model, kinds=("features",), placebo=3),
    ):
        with pytest.raises(TrainingError, match=r"initial model: transfer \w+ \(weights\) placebo"):
            train(walk, target, tmp_path, initial=other)


def _flip(model: Path) -> None:
    content = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _other_version(model: Path) -> None:
    (model / CARD).write_text(json.dumps({**json.loads((model / CARD).read_text()), "format": 99}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda model: (model / CARD).unlink(),
    "no weights": lambda model: (model / WEIGHTS).unlink(),
    "corrupt": _flip,
    "garbage": lambda model: (model / CARD).write_bytes(b"\xff{"),
    "other version": _other_version,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_source_that_cannot_be_read_is_named_and_left_as_it_is(
    walk: Candles, source: BucketResult, target: TrainingSettings, tmp_path: Path, damage: str
) -> None:
    model = teaching(source, tmp_path / "source")
    DAMAGES[damage](model)
    before = files(model)
    with pytest.raises(TrainingError, match=str(model)):
        begin(walk, target, model)
    assert files(model) == before


def test_a_source_with_no_feature_in_common_is_named_and_left_as_it_is(
    walk: Candles, source: BucketResult, target: TrainingSettings
) -> None:
    before = files(source.model)
    strange = dataclasses.replace(target, features=("volume",))
    with pytest.raises(TrainingError, match=rf"no feature in common with .*{source.model}"):
        begin(walk, strange, source.model)
    assert files(source.model) == before
