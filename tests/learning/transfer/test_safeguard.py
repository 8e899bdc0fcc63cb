"""A transfer that cannot be made, or only in part, leaves everything as it was and says so."""

import dataclasses
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from btc_ai.api.transfer import KINDS, MB, expected_mb, ladder
from btc_ai.errors import TrainingError
from btc_ai.learning import start as starts
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.memory.backend import Reading
from btc_ai.learning.model_card import CARD, WEIGHTS, read_card
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.transfer import apply
from btc_ai.learning.transfer.safeguard import DECISION, Safeguard, TransferReport
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from btc_ai.names import TransferKind
from tests.learning.transfer.killed_transfer import STAGES as STAGES_TO_DIE_IN
from tests.learning.transfer.killed_transfer import run as run_small

ROOT = Path(__file__).parents[3]
GB = 1024 * MB


class FixedMemory:
    """A host with 10 GB, so much of it free."""

    name = "host"

    def __init__(self, free: int) -> None:
        self.free = free
        self.emptied = 0

    def read(self) -> Reading:
        return Reading(10 * GB, self.free, GB)

    def empty_cache(self) -> None:
        self.emptied += 1


@pytest.fixture(scope="module")
def quick(small: TrainingSettings) -> TrainingSettings:
    return dataclasses.replace(small, episodes=2, buffer_size=256)


@pytest.fixture(scope="module")
def source(
    walk: Candles, quick: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    directory = tmp_path_factory.mktemp("source")
    return train_bucket(quick, walk, builtin_features(), directory).model


@pytest.fixture(scope="module")
def scratch(
    walk: Candles, quick: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> BucketResult:
    return train_bucket(quick, walk, builtin_features(), tmp_path_factory.mktemp("scratch"))


def transfer(
    walk: Candles,
    settings: TrainingSettings,
    directory: Path,
    source: Path,
    memory: FixedMemory | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[BucketResult, list[TransferReport]]:
    reports: list[TransferReport] = []
    backend = memory or FixedMemory(5 * GB)
    safeguard = Safeguard(directory, 0.8, backend, reports.append)
    initial = InitialModel(source, kinds=KINDS)
    result = train_bucket(
        settings, walk, builtin_features(), directory, initial=initial, safeguard=safeguard,
        should_stop=should_stop,
    )  # fmt: skip
    return result, reports


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_the_ladder_gives_up_the_hungriest_first() -> None:
    assert ladder(KINDS) == [KINDS, ("weights", "horizons"), ("horizons",), ()]
    assert ladder(("weights",)) == [("weights",), ()]
    assert ladder(("weights", "features")) == [("weights", "features"), ("weights",), ()]
    needs = [expected_mb(kinds, 100_000) for kinds in ladder(KINDS)]
    assert needs == sorted(needs, reverse=True)
    assert needs[-1] == 0


@pytest.mark.parametrize(
    ("room_mb", "kinds"),
    [(500, KINDS), (36, ("weights", "horizons")), (10, ("horizons",)), (0, ())],
)
def test_memory_is_measured_first_and_the_less_hungry_form_taken(
    walk: Candles, quick: TrainingSettings, source: Path, scratch: BucketResult, tmp_path: Path,
    room_mb: int, kinds: tuple[TransferKind, ...],
) -> None:  # fmt: skip
    memory = FixedMemory(2 * GB + room_mb * MB)
    result, (report,) = transfer(walk, quick, tmp_path, source, memory)
    assert report.kinds == kinds
    assert (result.transfer or {"kinds": []})["kinds"] == list(kinds)
    assert len(report.rungs) == memory.emptied - 1 == ladder(KINDS).index(kinds)
    assert all("more than MAX_MEMORY_USAGE (80%)" in rung["reason"] for rung in report.rungs)
    assert report.before["free_mb"] == 2048 + room_mb
    if not kinds:
        assert result.weights_sha256 == scratch.weights_sha256


STAGES = ["load_model", "_fresh", "transfer_weights", "_teacher", "_add_gates", "horizon_weights"]


@pytest.mark.parametrize("stage", STAGES)
def test_out_of_memory_at_any_stage_leaves_both_as_they_were(
    walk: Candles, quick: TrainingSettings, source: Path, scratch: BucketResult, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, stage: str,
) -> None:  # fmt: skip
    """Memory runs out once the stage is through, with all that it has made still there."""
    module = starts if hasattr(starts, stage) else apply
    before, original, runs = contents(source), getattr(module, stage), 0

    def exhausted(*values: object, **named: object) -> object:
        nonlocal runs
        runs += 1
        made = original(*values, **named)
        if runs <= len(KINDS):
            raise torch.OutOfMemoryError(f"out of memory beside {made!r:.20}")
        return made

    monkeypatch.setattr(module, stage, exhausted)
    result, (report,) = transfer(walk, quick, tmp_path, source)
    assert contents(source) == before
    assert report.rungs[0]["kinds"] == list(KINDS)
    assert report.rungs[0]["reason"].startswith("out of memory")
    if stage in ("load_model", "_fresh", "horizon_weights"):
        assert report.kinds == ()
        assert result.weights_sha256 == scratch.weights_sha256
        assert result.transfer is None
    elif stage == "_add_gates":
        assert report.kinds == ("weights", "horizons")
    else:
        assert report.kinds == ("horizons",)


def remove(model: Path) -> None:
    shutil.rmtree(model)


def spoil_weights(model: Path) -> None:
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1])


def spoil_version(model: Path) -> None:
    card = json.loads((model / CARD).read_text())
    (model / CARD).write_text(json.dumps({**card, "format": 99}))


def without(*keys: str, value: object = None) -> Callable[[Path], None]:
    """Takes a key out of a model's card, or gives it another value."""

    def spoil(model: Path) -> None:
        card = json.loads((model / CARD).read_text())
        inner = card
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        if value is None:
            del inner[keys[-1]]
        (model / CARD).write_text(json.dumps(card))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without("validation"), "model.json is damaged ('validation' is missing)"),
        (without("settings", "min_horizon"), "model.json is damaged ('min_horizon' is missing)"),
        (without("columns", value=7), "model.json is damaged"),
        (without("horizons", value="x"), "model.json is damaged"),
        (without("importance", value={"price": 1}), "model.json is damaged"),
        (without("reward_scale", value="much"), "model.json is damaged"),
        (without("weights_sha256"), "model.json is damaged"),
        (remove, "there is no model"),
        (spoil_weights, "cannot be used"),
        (spoil_version, "format 99"),
    ],
)
def test_a_source_that_cannot_be_used_is_said_and_the_run_goes_on_without(
    walk: Candles, quick: TrainingSettings, source: Path, scratch: BucketResult, tmp_path: Path,
    spoil: Callable[[Path], None], says: str,
) -> None:  # fmt: skip
    model = tmp_path / "model"
    shutil.copytree(source, model)
    spoil(model)
    left = contents(model) if model.exists() else None
    result, (report,) = transfer(walk, quick, tmp_path / "run", model)
    assert says in (report.error or "")
    assert result.weights_sha256 == scratch.weights_sha256
    assert (contents(model) if model.exists() else None) == left


def test_no_feature_in_common_is_said_and_the_run_goes_on_without(
    walk: Candles, quick: TrainingSettings, source: Path, tmp_path: Path
) -> None:
    other = dataclasses.replace(quick, features=("macd",))
    plain = train_bucket(other, walk, builtin_features(), tmp_path / "plain")
    result, (report,) = transfer(walk, other, tmp_path / "run", source)
    assert "no feature in common" in (report.error or "")
    assert result.weights_sha256 == plain.weights_sha256


def test_a_resumed_run_keeps_what_was_decided_however_much_memory_there_is(
    walk: Candles, quick: TrainingSettings, source: Path, tmp_path: Path
) -> None:
    whole, _ = transfer(walk, quick, tmp_path / "whole", source, FixedMemory(2 * GB + 36 * MB))
    asked = iter([False] * (quick.updates_per_episode + 1))
    with pytest.raises(Exception, match="stopped after episode 1"):
        transfer(
            walk, quick, tmp_path / "run", source, FixedMemory(2 * GB + 36 * MB),
            should_stop=lambda: next(asked, True),
        )  # fmt: skip
    again, (report,) = transfer(walk, quick, tmp_path / "run", source, FixedMemory(9 * GB))
    assert report.kinds == ("weights", "horizons")
    assert again.weights_sha256 == whole.weights_sha256
    (tmp_path / "run" / DECISION).write_text("{")
    with pytest.raises(TrainingError, match="cannot be read"):
        transfer(walk, quick, tmp_path / "run", source)


def test_once_begun_a_run_needs_its_source_no_more(
    walk: Candles, quick: TrainingSettings, source: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(source, model)
    whole, _ = transfer(walk, quick, tmp_path / "whole", model)
    asked = iter([False] * (quick.updates_per_episode + 1))
    with pytest.raises(Exception, match="stopped after episode 1"):
        transfer(walk, quick, tmp_path / "run", model, should_stop=lambda: next(asked, True))
    remove(model)
    resumed, (report,) = transfer(walk, quick, tmp_path / "run", model)
    assert report.kinds == KINDS
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.transfer == whole.transfer
    assert read_card(resumed.model)["seen"] == read_card(whole.model)["seen"]
    again, _ = transfer(walk, quick, tmp_path / "run", model)
    assert again == resumed


def test_what_is_still_held_after_the_clean_up_is_measured_and_warned_of(
    walk: Candles, quick: TrainingSettings, source: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    class Leaking(FixedMemory):
        def read(self) -> Reading:
            return Reading(10 * GB, self.free, GB + self.emptied * self.leak * MB)

        leak = 0

    for leak, warned in ((50, False), (51, True)):
        memory = Leaking(5 * GB)
        memory.leak = leak
        _, (report,) = transfer(walk, quick, tmp_path / str(leak), source, memory)
        assert report.to_json()["kept_mb"] == leak
        assert ("more are held than before" in caplog.text) is warned


def test_nothing_of_the_source_or_its_teacher_is_left_afterwards(
    walk: Candles, quick: TrainingSettings, source: Path, tmp_path: Path
) -> None:
    def networks() -> int:
        gc.collect()
        return sum(issubclass(type(each), QNetwork) for each in gc.get_objects())

    before = networks()
    result, (report,) = transfer(walk, quick, tmp_path, source)
    assert networks() == before
    assert result.transfer is not None
    assert report.done == result.transfer
    assert report.duration_s < 1
    assert report.peak_mb is None or report.peak_mb > 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES_TO_DIE_IN))
def test_sigkill_in_the_middle_of_a_transfer_changes_nothing(stage: str, tmp_path: Path) -> None:
    source = run_small(tmp_path / "source", None).model
    before = contents(source)
    script = Path(__file__).with_name("killed_transfer.py")
    command = [sys.executable, str(script), str(tmp_path / "run"), str(source), stage]
    killed = subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert killed.returncode == -signal.SIGKILL
    assert contents(source) == before
    assert not (tmp_path / "run" / CARD).exists()
    resumed = run_small(tmp_path / "run", source)
    whole = run_small(tmp_path / "whole", source)
    assert resumed.transfer == whole.transfer is not None
    assert resumed.weights_sha256 == whole.weights_sha256
