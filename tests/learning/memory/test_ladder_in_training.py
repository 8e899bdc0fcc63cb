"""Memory runs out in every phase, again and again: rung by rung, and what each ends with."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from btc_ai.durable import write_durably
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.memory.guard import MemoryExhaustedError, MemoryGuard
from btc_ai.learning.memory.ladder import Phase
from btc_ai.learning.metrics import METRICS
from btc_ai.learning.model_card import read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.trainer import CHECKPOINTS
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, builtin_features
from tests.learning.memory.conftest import MakeGuard
from tests.learning.memory.faults import Faults

LADDERS = {
    Phase.DATASET: [1, 7],
    Phase.START: [1, 2, 6, 7],
    Phase.UPDATE: [1, 2, 3, 5, 6, 7],
    Phase.VALIDATION: [1, 2, 6, 7],
    Phase.CHECKPOINT: [1, 7],
    Phase.EVALUATION: [1, 2, 6, 7],
}
POINTS = [
    (Phase.DATASET, "feature", 0),
    (Phase.START, "market", 0),
    (Phase.UPDATE, "forward", 2),
    (Phase.UPDATE, "backward", 2),
    (Phase.UPDATE, "step", 1),
    (Phase.UPDATE, "step", 2),
    (Phase.UPDATE, "average", 2),
    (Phase.VALIDATION, "choice", 2),
    (Phase.CHECKPOINT, "state", 2),
    (Phase.CHECKPOINT, "write", 2),
    (Phase.EVALUATION, "choice", 3),
    (Phase.EVALUATION, "write", 3),
]
CASES = [
    (phase, point, episode, times)
    for phase, point, episode in POINTS
    for times in range(1, len(LADDERS[phase]) + 1)
]


class Scene:
    """Where and how often memory runs out."""

    def __init__(
        self, guard: MemoryGuard, phase: Phase, point: str, episode: int, times: int
    ) -> None:
        self.guard, self.phase, self.point, self.episode = guard, phase, point, episode
        self.left = times

    def here(self) -> bool:
        return (self.guard.phase, self.guard.episode) == (self.phase, self.episode)

    def _fail(self, point: str) -> None:
        if self.left and point == self.point and self.here():
            self.left -= 1
            raise MemoryError

    def operations(self) -> AbstractContextManager[object]:
        if self.point in ("feature", "write"):
            return nullcontext()
        return Faults(self.point, self.left, self.here)

    def write(self, path: Path, content: bytes) -> None:
        if self.left and self.point == "write" and self.here():
            path.write_bytes(content[: len(content) // 2])
        self._fail("write")
        write_durably(path, content)

    def registry(self) -> FeatureRegistry:
        registry, price = FeatureRegistry(), builtin_features().get("price")

        def failing(candles: Candles) -> Mapping[str, NDArray[np.float64]]:
            self._fail("feature")
            return price.function(candles)

        registry.register("price", failing, price.lookback)
        return registry


def same(result: BucketResult, other: BucketResult) -> bool:
    """Weights and metrics, to the last bit, and results."""
    ours, theirs = ((one.model / METRICS).read_bytes() for one in (result, other))
    plain = [dataclasses.replace(one, model=Path(), memory=[]) for one in (result, other)]
    return ours == theirs and plain[0] == plain[1]


@pytest.fixture(scope="module")
def whole() -> dict[str, BucketResult]:
    """The undisturbed run, made once."""
    return {}


@pytest.fixture
def reference(
    whole: dict[str, BucketResult],
    walk: Candles,
    chunked: TrainingSettings,
    make_guard: MakeGuard,
    tmp_path_factory: pytest.TempPathFactory,
) -> BucketResult:
    if not whole:
        directory = tmp_path_factory.mktemp("whole")
        guard, notes = make_guard()
        whole["run"] = train_bucket(chunked, walk, builtin_features(), directory, guard=guard)
        assert not notes
        assert whole["run"].memory == []
    return whole["run"]


@pytest.mark.parametrize(("phase", "point", "episode", "times"), CASES)
def test_out_of_memory(
    phase: Phase,
    point: str,
    episode: int,
    times: int,
    walk: Candles,
    chunked: TrainingSettings,
    reference: BucketResult,
    make_guard: MakeGuard,
    tmp_path: Path,
) -> None:
    guard, notes = make_guard()
    scene = Scene(guard, phase, point, episode, times)
    told: list[int] = []

    def train(guard: MemoryGuard) -> BucketResult:
        return train_bucket(
            chunked,
            walk,
            scene.registry(),
            tmp_path,
            on_episode=lambda metrics: told.append(metrics.episode),
            guard=guard,
            write=scene.write,
            checkpoint_seconds=0 if point == "write" else 1e9,
        )

    with ExitStack() as stack:
        stack.enter_context(scene.operations())
        if times == len(LADDERS[phase]):
            advice = r"ran out of memory \(\w+, episode \d\).*Close other programs.*--resume"
            with pytest.raises(MemoryExhaustedError, match=advice):
                train(guard)
            assert [note.rung for note in notes] == LADDERS[phase]
            before = list(told)
            result = train(make_guard()[0])
            assert told == [1, 2, 3], f"lost more than an episode: {before}"
        else:
            result = train(guard)
            assert [note.rung for note in notes] == LADDERS[phase][:times]
            assert [note["rung"] for note in result.memory] == LADDERS[phase][:times]
            assert all(note.before and note.after for note in notes)
    rungs = [note["rung"] for note in result.memory]
    assert told == [1, 2, 3]
    assert result.degraded == (5 in rungs)
    assert (result.weights_sha256 == reference.weights_sha256) == (5 not in rungs)
    assert same(result, reference) == (5 not in rungs)


def test_on_the_host_what_only_helps_a_gpu_is_passed_over_and_says_why(
    walk: Candles, chunked: TrainingSettings, make_guard: MakeGuard, tmp_path: Path
) -> None:
    guard, notes = make_guard(gpu=False)
    with Faults("forward", 3, lambda: guard.phase is Phase.UPDATE):
        train_bucket(chunked, walk, builtin_features(), tmp_path, guard=guard)
    assert [note.rung for note in notes] == [1, 3, 5]
    assert notes[2].passed == {
        "1": "it was not enough",
        "2": "the run is on the CPU",
        "3": "gradients are accumulated already",
        "4": "one seed is trained at a time",
    }


def test_a_run_killed_after_the_windows_were_halved_ends_as_one_not_killed(
    walk: Candles, chunked: TrainingSettings, make_guard: MakeGuard, tmp_path: Path
) -> None:
    class KilledError(BaseException):
        pass

    def faulty(guard: MemoryGuard) -> Faults:
        return Faults("backward", 4, lambda: guard.episode == 2 and guard.phase is Phase.UPDATE)

    def train(name: str, guard: MemoryGuard, stop: Callable[[], bool]) -> BucketResult:
        return train_bucket(
            chunked,
            walk,
            builtin_features(),
            tmp_path / name,
            guard=guard,
            should_stop=stop,
            checkpoint_seconds=1e9,
        )

    guard, _ = make_guard()
    with faulty(guard):
        whole = train("whole", guard, lambda: False)
    assert whole.degraded
    guard, _ = make_guard()

    def kill() -> bool:
        if guard.footprint.halved:
            raise KilledError
        return False

    with faulty(guard), pytest.raises(KilledError):
        train("killed", guard, kill)
    assert (tmp_path / "killed" / CHECKPOINTS).is_dir()
    resumed = train("killed", make_guard()[0], lambda: False)
    assert same(resumed, whole)
    assert [note["rung"] for note in resumed.memory] == [1, 2, 3, 5]
    assert read_card(resumed.model)["settings"]["batch_size"] == chunked.batch_size


def test_an_error_that_is_not_about_memory_is_not_caught(
    walk: Candles, chunked: TrainingSettings, make_guard: MakeGuard, tmp_path: Path
) -> None:
    def wrong() -> bool:
        raise RuntimeError("shapes do not match")

    guard, notes = make_guard()
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train_bucket(chunked, walk, builtin_features(), tmp_path, guard=guard, should_stop=wrong)
    assert notes == []


@pytest.mark.slow
def test_in_a_process_that_really_has_too_little_memory(tmp_path: Path) -> None:
    """An update of 2048 windows takes 180 to 220 MiB, a quarter of it 100 to 150.

    What an allocator holds varies, and with it how many rungs are needed.
    """

    def run(megabytes: int) -> subprocess.CompletedProcess[str]:
        directory = tmp_path / str(megabytes)
        command = [sys.executable, "-m", "tests.learning.memory.short_of_memory"]
        return subprocess.run(
            [*command, str(directory), str(megabytes)], check=False, capture_output=True, text=True
        )

    whole, short = (json.loads(run(megabytes).stdout) for megabytes in (0, 160))
    assert whole["rungs"] == []
    assert (short["sha256"] == whole["sha256"]) == (5 not in short["rungs"])
    hopeless = run(20)
    assert hopeless.returncode == 1
    assert "MemoryExhaustedError: Large ran out of memory (update, episode 1)" in hopeless.stderr
