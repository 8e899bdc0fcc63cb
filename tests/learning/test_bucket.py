import dataclasses
import errno
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btc_ai.durable import write_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.dataset import Dataset, Splits
from btc_ai.learning.metrics import METRICS, EpisodeMetrics
from btc_ai.learning.model import load_model
from btc_ai.learning.model_card import CARD, WEIGHTS, read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.trainer import TrainingStoppedError
from btc_ai.learning.transfer.milestones import MILESTONES
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


class KilledError(BaseException):
    """Stands for SIGKILL: no handler for errors runs."""


class FailingDisk:
    """Writes half of the n-th file, then raises."""

    def __init__(self, fatal_write: int, error: BaseException) -> None:
        self.left, self.error = fatal_write, error

    def __call__(self, path: Path, content: bytes) -> None:
        self.left -= 1
        if self.left == 0:
            path.write_bytes(content[: len(content) // 2])
            raise self.error
        write_durably(path, content)


def train(
    candles: Candles, settings: TrainingSettings, directory: Path, **options: Any
) -> BucketResult:
    return train_bucket(settings, candles, builtin_features(), directory, **options)


@pytest.fixture
def quick(small: TrainingSettings) -> TrainingSettings:
    return dataclasses.replace(small, episodes=3)


@pytest.fixture
def undisturbed(walk: Candles, quick: TrainingSettings, tmp_path: Path) -> BucketResult:
    return train(walk, quick, tmp_path / "undisturbed")


def same(result: BucketResult, other: BucketResult) -> bool:
    """Bit-identical weights, metrics, milestones and evaluation."""
    for name in (METRICS, MILESTONES):
        left, right = ((r.model / name).read_bytes() for r in (result, other))
        if left != right or not left.splitlines():
            return False
    same_weights = result.weights_sha256 == other.weights_sha256
    return same_weights and result.evaluation == other.evaluation


def test_a_run_leaves_a_model_metrics_and_nothing_else(
    undisturbed: BucketResult, quick: TrainingSettings
) -> None:
    files = sorted(path.name for path in undisturbed.model.iterdir())
    assert files == sorted([METRICS, MILESTONES, CARD, WEIGHTS])
    lines = [json.loads(line) for line in (undisturbed.model / METRICS).read_text().splitlines()]
    assert [line["episode"] for line in lines] == [1, 2, 3]
    assert [line["validation_reward"] is None for line in lines] == [False] * 3
    assert json.loads(json.dumps(undisturbed.to_json()))["bucket"] == "Small"
    assert set(undisturbed.evaluation) == {"model", "flat", "buy_and_hold"}


def test_the_card_tells_what_the_weights_were_shaped_by(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    card = read_card(undisturbed.model)
    dataset = Dataset.from_candles(walk, builtin_features(), quick)
    assert (card["symbol"], card["interval"], card["bars"]) == ("TEST/USDT", "5m", 6_000)
    assert card["parts"] == dataset.splits.times(walk)
    assert card["reward_scale"] == dataset.reward_scale
    own = {"trained": card["parts"]["train"], "chosen": card["parts"]["validation"]}
    assert card["seen"] == {kind: [part] for kind, part in own.items()}
    fewer = walk.take(slice(0, 5_000))
    initial = InitialModel(undisturbed.model, "continue")
    later = read_card(train(fewer, quick, tmp_path / "later", initial=initial).model)
    assert later["seen"]["trained"] == [own["trained"], later["parts"]["train"]]
    assert later["seen"]["chosen"] == [own["chosen"], later["parts"]["validation"]]


def test_other_parts_are_another_run(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    splits = Splits(slice(0, 3_000), slice(3_200, 4_000), slice(4_200, 5_000))
    own = train(walk, quick, tmp_path / "own", splits=splits)
    assert read_card(own.model)["parts"] == splits.times(walk)
    assert own.evaluation["model"].bars == 800
    assert own.weights_sha256 != undisturbed.weights_sha256
    assert train(walk, quick, own.model, splits=splits) == own
    with pytest.raises(TrainingError, match=r"parts: .* in the run, None now"):
        train(walk, quick, own.model)


@pytest.mark.parametrize("fatal_write", range(1, 9))
def test_a_kill_in_any_write_changes_nothing(
    walk: Candles,
    quick: TrainingSettings,
    undisturbed: BucketResult,
    tmp_path: Path,
    fatal_write: int,
) -> None:
    killed = tmp_path / "killed"
    disk = FailingDisk(fatal_write, KilledError())
    with pytest.raises(KilledError):
        train(walk, quick, killed, checkpoint_seconds=0, write=disk)
    assert same(train(walk, quick, killed), undisturbed)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_after_a_full_disk_the_run_goes_on_where_it_was(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path, code: int
) -> None:
    disk = FailingDisk(5, OSError(code, "full"))
    with pytest.raises(TrainingError, match=r"disk full while writing .*; make space, then go on"):
        train(walk, quick, tmp_path / "full", checkpoint_seconds=0, write=disk)
    episodes: list[int] = []
    resumed = train(walk, quick, tmp_path / "full", on_episode=lambda m: episodes.append(m.episode))
    assert episodes == [3]
    assert same(resumed, undisturbed)


def test_a_stop_in_the_middle_of_an_episode_is_quick_and_loses_only_that(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    asked = 0

    def in_the_second_episode() -> bool:
        nonlocal asked
        asked += 1
        return asked > quick.updates_per_episode + 3

    with pytest.raises(TrainingStoppedError, match="stopped after episode 1 of 3"):
        train(walk, quick, tmp_path / "stopped", should_stop=in_the_second_episode)
    assert same(train(walk, quick, tmp_path / "stopped"), undisturbed)


def test_a_stop_is_asked_for_at_least_every_tenth_of_a_second(
    btc_2023: Candles, tmp_path: Path
) -> None:
    settings = TrainingSettings("Short", 6, 144, ("price", "macd"), episodes=4)
    asked: list[float] = []

    def record() -> bool:
        asked.append(time.process_time())
        return False

    train(btc_2023, settings, tmp_path, should_stop=record)
    assert np.quantile(np.diff(asked), 0.9) < 0.1


def test_a_finished_run_gives_its_result_at_once(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult
) -> None:
    episodes: list[EpisodeMetrics] = []
    again = train(walk, quick, undisturbed.model, on_episode=episodes.append)
    assert again == undisturbed
    assert episodes == []


def test_another_seed_gives_another_model(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    other = train(walk, dataclasses.replace(quick, seed=6), tmp_path / "other")
    assert other.weights_sha256 != undisturbed.weights_sha256


def test_resuming_with_other_settings_says_what_changed(
    walk: Candles, quick: TrainingSettings, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        disk = FailingDisk(5, KilledError())
        train(walk, quick, tmp_path, checkpoint_seconds=0, write=disk)
    faster = dataclasses.replace(quick, learning_rate=0.01, threads=2)
    with pytest.raises(TrainingError, match=r"learning_rate: 0.0005 in the run, 0.01 now") as error:
        train(walk, faster, tmp_path)
    assert "threads: 1 in the run, 2 now" in str(error.value)


def test_more_episodes_start_from_the_model_and_never_end_worse_on_validation(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    initial = InitialModel(undisturbed.model, "continue")
    more = train(walk, quick, tmp_path / "more", initial=initial)
    assert more.episodes == 6
    assert more.validation["start_value"] == undisturbed.validation["value"]
    assert more.validation["value"] >= undisturbed.validation["value"]
    assert more.transfer is None


def test_continuing_with_other_features_names_both_sides(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    other = dataclasses.replace(quick, features=("price",))
    with pytest.raises(TrainingError, match=r"has the features .*rsi.* configured with price"):
        train(walk, other, tmp_path / "o", initial=InitialModel(undisturbed.model, "continue"))


def test_transfer_to_another_bucket_is_told_and_resumes_identically(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    target = dataclasses.replace(
        quick, bucket="Next", min_horizon=4, max_horizon=48, features=("price", "macd")
    )
    initial = InitialModel(undisturbed.model, "transfer")
    whole = train(walk, target, tmp_path / "whole", initial=initial, lineage={"run": "r1"})
    assert whole.transfer is not None
    assert {name.split(".")[0] for name in whole.transfer["matched"]} == {"price"}
    assert {name.split(".")[0] for name in whole.transfer["new"]} == {"macd"}
    assert {name.split(".")[0] for name in whole.transfer["left"]} == {"rsi"}
    nearest = {
        "run": None,
        "bucket": undisturbed.bucket,
        "weights_sha256": undisturbed.weights_sha256,
    }
    assert read_card(whole.model)["lineage"] == {"run": "r1", "ancestors": [nearest]}
    assert whole.ancestors == [nearest]
    with pytest.raises(KilledError):
        disk = FailingDisk(4, KilledError())
        train(walk, target, tmp_path / "k", initial=initial, checkpoint_seconds=0, write=disk)
    assert same(train(walk, target, tmp_path / "k", initial=initial), whole)


def test_divergence_is_an_error_that_names_the_learning_rate(
    walk: Candles, quick: TrainingSettings, tmp_path: Path
) -> None:
    wild = dataclasses.replace(quick, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"diverged in episode 1: .*LEARNING_RATE \(now 1e\+30"):
        train(walk, wild, tmp_path)


def test_a_continued_run_is_not_resumed_as_a_transfer(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        disk = FailingDisk(4, KilledError())
        initial = InitialModel(undisturbed.model, "continue")
        train(walk, quick, tmp_path / "m", initial=initial, checkpoint_seconds=0, write=disk)
    with pytest.raises(TrainingError, match=r"initial model: continue \w+ in the run, transfer"):
        train(walk, quick, tmp_path / "m", initial=InitialModel(undisturbed.model, "transfer"))


@pytest.mark.parametrize("damage", ["flip", "missing", "other format", "garbage"])
def test_a_corrupt_model_is_refused_with_advice(undisturbed: BucketResult, damage: str) -> None:
    weights, card = undisturbed.model / WEIGHTS, undisturbed.model / CARD
    if damage == "flip":
        content = weights.read_bytes()
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        weights.unlink()
    elif damage == "other format":
        card.write_text(json.dumps({**read_card(undisturbed.model), "format": 99}))
    else:
        card.write_bytes(b"\xff{")
    with pytest.raises(TrainingError, match="train the bucket again"):
        load_model(undisturbed.model)


def test_the_card_is_read_without_torch(undisturbed: BucketResult) -> None:
    code = (
        "import sys; from pathlib import Path; from btc_ai.learning.model_card import read_card;"
        "print(read_card(Path(sys.argv[1]))['weights_sha256'], 'torch' in sys.modules,"
        "'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(undisturbed.model)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.split() == [undisturbed.weights_sha256, "False", "False"]
