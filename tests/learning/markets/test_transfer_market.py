"""G8, by the whole pipeline; all seeds of the bars are in `python -m benchmarks.transfer`."""

from pathlib import Path

import numpy as np
import pytest

from btc_ai.api.transfer import KINDS
from btc_ai.learning.bucket import BucketResult
from btc_ai.learning.markets.transfer import TransferMarket
from btc_ai.learning.model_card import read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.transfer.milestones import read_milestones
from btc_ai.learning.transfer.verdict import compare

SOURCE = TrainingSettings("Scalping", 1, 72, (), learning_rate=2e-3, episodes=12)
TARGET = TrainingSettings("Short", 6, 144, (), learning_rate=1e-3, episodes=20)
BARS = 30_000
BETA = 0.2
"""A strong signal, which shows in short runs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both sources and the target from scratch are."""
    folder = tmp_path_factory.mktemp("g8")
    for flipped in (False, True):
        market = TransferMarket(flipped, BETA)
        market.train_source(SOURCE, folder / f"flipped {flipped}", seed=1, bars=BARS)
    TransferMarket(beta=BETA).train_target(TARGET, folder / "scratch", None, seed=1, bars=BARS)
    return folder


def carry(folder: Path, directory: Path, initial: InitialModel) -> BucketResult:
    return TransferMarket(beta=BETA).train_target(TARGET, directory, initial, seed=1, bars=BARS)


def test_the_paths_differ_and_the_flipped_source_alone_turns_the_signal_round() -> None:
    shared, flipped = TransferMarket(), TransferMarket(flipped=True)
    target = shared.target.candles(50, 3)
    assert shared.source.features[-1] == shared.target.features[0] == "signal"
    means = shared.source.expected_returns(target)
    assert np.array_equal(means, shared.target.expected_returns(target))
    assert np.array_equal(means, -flipped.source.expected_returns(target))
    assert np.array_equal(means, flipped.target.expected_returns(target))


@pytest.mark.slow
def test_what_the_shared_source_learned_is_there_at_once_and_helps(
    folder: Path, tmp_path: Path
) -> None:
    result = carry(folder, tmp_path, InitialModel(folder / "flipped False", kinds=KINDS))
    assert result.transfer is not None
    assert result.transfer["kinds"] == list(KINDS)
    assert result.transfer["left"] == ["bar.return"]
    assert result.transfer["gates"]["signal"] > 1.5
    verdict = compare(read_milestones(tmp_path), read_milestones(folder / "scratch"))
    assert verdict.jumpstart is not None
    assert verdict.jumpstart.difference > 1
    assert verdict.decision == "kept"


@pytest.mark.slow
def test_a_placebo_knows_nothing(folder: Path, tmp_path: Path) -> None:
    carry(folder, tmp_path, InitialModel(folder / "flipped False", kinds=KINDS, placebo=1))
    assert read_milestones(tmp_path)[0].value < 0.1


@pytest.mark.slow
def test_what_the_flipped_source_learned_is_taken_back_in_time(
    folder: Path, tmp_path: Path
) -> None:
    carry(folder, tmp_path, InitialModel(folder / "flipped True", kinds=KINDS))
    verdict = compare(read_milestones(tmp_path), read_milestones(folder / "scratch"))
    assert verdict.decision == "rolled_back"
    assert verdict.share is not None
    assert verdict.share <= 0.25


@pytest.mark.slow
def test_feature_importance_alone_makes_learning_faster(folder: Path, tmp_path: Path) -> None:
    carry(folder, tmp_path, InitialModel(folder / "flipped True", kinds=("features",)))
    verdict = compare(read_milestones(tmp_path), read_milestones(folder / "scratch"))
    assert verdict.transfer_ratio is not None
    assert verdict.transfer_ratio > 0


@pytest.mark.slow
@pytest.mark.parametrize("flipped", [False, True])
def test_the_planted_feature_is_told_from_noise(folder: Path, flipped: bool) -> None:
    found = read_card(folder / f"flipped {flipped}")["importance"]
    assert found["signal"]["low"] > 0
    assert found["signal"]["drop"] == max(one["drop"] for one in found.values())
    for name in ("noise", "bar"):
        assert found[name]["low"] <= 0 <= found[name]["high"]
