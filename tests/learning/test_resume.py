"""A killed and resumed run ends as if it had never been disturbed, with every learner."""

import dataclasses
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from btc_ai.errors import TrainingError
from btc_ai.learning.bucket import BucketResult
from btc_ai.learning.checkpoint import MANIFEST, STATE
from btc_ai.learning.metrics import METRICS
from btc_ai.learning.model_card import WEIGHTS
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.trainer import CHECKPOINTS
from btc_ai.learning.transfer.milestones import MILESTONES
from btc_ai.market.candles import Candles
from btc_ai.names import BUILTIN_LEARNERS
from tests.learning.killed_run import main
from tests.learning.test_bucket import FailingDisk, KilledError, same, train

LEARNERS = BUILTIN_LEARNERS


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def quick(small: TrainingSettings, learner: str) -> TrainingSettings:
    """Five episodes of at least two updates each."""
    size = 2 * TrainingSettings.window * dataclasses.replace(small, learner=learner).lanes
    return dataclasses.replace(small, episodes=5, buffer_size=size, learner=learner)


@pytest.fixture(scope="module")
def undisturbed(
    walk: Candles, quick: TrainingSettings, tmp_path_factory: pytest.TempPathFactory
) -> BucketResult:
    return train(walk, quick, tmp_path_factory.mktemp("undisturbed"))


class Killer:
    """Kills before an update, once."""

    def __init__(self, fatal_update: int) -> None:
        self.left = fatal_update

    def __call__(self) -> bool:
        self.left -= 1
        if self.left == 0:
            raise KilledError
        return False


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_and_of_the_resumed_runs_change_nothing(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path, seed: int
) -> None:
    """Each resumed run is killed again, now in a write, now in the middle of an episode."""
    killed, chance = tmp_path / "killed", random.Random(seed)
    kills = 0
    for _ in range(6):
        in_a_write = chance.random() < 0.5
        disk = FailingDisk(chance.randint(1, 4) if in_a_write else 10**9, KilledError())
        killer = Killer(10**9 if in_a_write else chance.randint(1, 2 * quick.updates_per_episode))
        try:
            train(walk, quick, killed, checkpoint_seconds=0, write=disk, should_stop=killer)
        except KilledError:
            kills += 1
    assert kills >= 3
    assert same(train(walk, quick, killed), undisturbed)


def test_a_stop_in_the_middle_of_an_episode_loses_only_that(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    asked = iter([False] * (quick.updates_per_episode + 1) + [True])
    with pytest.raises(Exception, match="stopped after episode 1 of 5"):
        train(walk, quick, tmp_path / "stopped", should_stop=lambda: next(asked))
    assert same(train(walk, quick, tmp_path / "stopped"), undisturbed)


def test_a_damaged_newest_checkpoint_costs_an_episode_and_no_bit(
    walk: Candles, quick: TrainingSettings, undisturbed: BucketResult, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        killer = Killer(4 * quick.updates_per_episode + 3)
        train(walk, quick, tmp_path / "k", checkpoint_seconds=0, should_stop=killer)
    newest = max((tmp_path / "k" / CHECKPOINTS).iterdir()) / STATE
    newest.write_bytes(newest.read_bytes()[:-1])
    assert same(train(walk, quick, tmp_path / "k"), undisturbed)


def test_another_number_of_threads_or_another_learner_is_refused_with_both_named(
    walk: Candles, quick: TrainingSettings, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        disk = FailingDisk(3, KilledError())
        train(walk, quick, tmp_path, checkpoint_seconds=0, write=disk)
    assert list((tmp_path / CHECKPOINTS).glob(f"0*/{MANIFEST}"))
    with pytest.raises(TrainingError, match="threads: 1 in the run, 2 now"):
        train(walk, dataclasses.replace(quick, threads=2), tmp_path)
    other = next(name for name in LEARNERS if name != quick.learner)
    with pytest.raises(TrainingError, match=f"learner: {quick.learner} in the run, {other} now"):
        train(walk, dataclasses.replace(quick, learner=other), tmp_path)


@pytest.mark.slow
def test_sigkill_in_the_middle_of_writes_and_updates_and_of_resumed_runs(
    learner: str, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("killed_run.py")
    chance = random.Random(f"{learner} killed")

    def run(directory: Path, fatal_write: int = 0, fatal_update: int = 0) -> int:
        numbers = [str(fatal_write), str(fatal_update)]
        command = [sys.executable, str(script), str(directory), learner, *numbers]
        return subprocess.run(command, check=False).returncode

    main(tmp_path / "whole", learner, 0, 0)
    assert run(tmp_path / "killed", fatal_write=chance.choice((3, 4))) == -signal.SIGKILL
    assert run(tmp_path / "killed", fatal_update=chance.choice((1, 2))) == -signal.SIGKILL
    assert (tmp_path / "killed" / CHECKPOINTS).is_dir()
    assert run(tmp_path / "killed") == 0
    for name in (WEIGHTS, METRICS, MILESTONES):
        killed, whole = ((tmp_path / run / name).read_bytes() for run in ("killed", "whole"))
        assert killed == whole
