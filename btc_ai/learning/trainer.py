"""Trains one bucket, so that a run killed at any moment ends as if it had never been."""

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from btc_ai.api.learner import Accumulating, Update
from btc_ai.durable import Write, write_durably
from btc_ai.errors import BtcAiError, TrainingError
from btc_ai.learning.checkpoint import Checkpoint, CheckpointStore
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evidence import EVIDENCE, Array, block_means, t_value
from btc_ai.learning.files import RowsFile
from btc_ai.learning.horizons import horizon_skill
from btc_ai.learning.learners.learner import Learner
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.memory.backend import is_out_of_memory
from btc_ai.learning.memory.guard import MemoryExhaustedError, MemoryGuard
from btc_ai.learning.memory.ladder import Footprint, Phase
from btc_ai.learning.metrics import METRICS, EpisodeMetrics, replay_windows, summarise
from btc_ai.learning.model import weights_of
from btc_ai.learning.network import QNetwork
from btc_ai.learning.selection import Selection
from btc_ai.learning.settings import TrainingSettings, differences
from btc_ai.learning.start import Start
from btc_ai.learning.transfer.importance import Drop, feature_importance
from btc_ai.learning.transfer.milestones import MILESTONES, Milestone, milestone_shares

CHECKPOINTS = "checkpoints"
CHECKPOINT_SECONDS = 2.0

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class TrainingStoppedError(BtcAiError):
    """The run was asked to stop and its checkpoint is written; running it again goes on."""

    code: ClassVar[str] = "stopped"


class DivergedError(TrainingError):
    """The loss is no number any more."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, and how much of its files belongs to that."""

    episode: int = 0
    metrics_bytes: int = 0
    milestones_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Trained:
    """The network chosen on validation, and how the run went.

    t_value: of its validation returns against staying flat, by batch means; None where it never
    traded. abstains: there was too little evidence, and the network stays flat. importance: of
    each feature on the validation part, and horizon_skill, R² of each horizon there: what the
    chosen weights knew, before they abstained.
    """

    network: QNetwork
    selection: Selection
    t_value: float | None
    abstains: bool
    importance: dict[str, Drop]
    horizon_skill: dict[int, float | None]


@dataclass(frozen=True)
class _Snapshot:
    """The end of an episode: the learner's state, the weights chosen so far, the counters."""

    state: dict[str, Tensor]
    selection: Selection
    progress: Progress


class Trainer:
    """One bucket's run in `directory`; an unfinished run there is taken up where it was.

    A checkpoint is written at the end of an episode, at most every `checkpoint_seconds`, and when
    stopped. When it is written changes nothing in what is learned. An episode that runs out of
    memory is done again from the end of the one before, as the guard's ladder says.
    """

    environment: MarketEnvironment
    _learner: Learner
    _kept: _Snapshot

    def __init__(
        self,
        dataset: Dataset,
        settings: TrainingSettings,
        directory: Path,
        *,
        start: Start,
        guard: MemoryGuard,
        fingerprint: dict[str, Any],
        on_episode: Callable[[EpisodeMetrics], None],
        should_stop: Callable[[], bool],
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        write: Write = write_durably,
    ) -> None:
        """Take up the run's latest checkpoint, if there is one.

        Raises TrainingError when the run was begun with other settings, and DataError when no
        training window fits between the holes.
        """
        self.settings = settings
        self._dataset = dataset
        self._start, self._generator_state = start, start.generator.get_state()
        self._guard = guard
        self._fingerprint = fingerprint
        self._on_episode = on_episode
        self._should_stop = should_stop
        self._checkpoint_seconds = checkpoint_seconds
        self._store = CheckpointStore(directory / CHECKPOINTS, write)
        self._metrics = RowsFile(directory / METRICS)
        self._milestones = RowsFile(directory / MILESTONES)
        self._shares = milestone_shares(settings.episodes)
        self._saved_footprint = Footprint()
        guard.attempt(self._begin)

    def run(self) -> Trained:
        """Train to the last episode.

        Raises TrainingStoppedError when asked to stop and MemoryExhaustedError on the last rung.
        """
        saved = time.monotonic()
        while self._progress.episode < self.settings.episodes:
            self.attempt(self._episode, self._equip)
            with self._saving():
                self._guard.watch(self._equip)
            self.attempt(self._stop_if_asked)
            if time.monotonic() - saved >= self._checkpoint_seconds:
                self.attempt(self.save)
                saved = time.monotonic()
        trained = self.attempt(self._choose, self._equip)
        del self._learner
        return trained

    def attempt(
        self, work: Callable[[], Result], prepare: Callable[[], None] = lambda: None
    ) -> Result:
        """`work` under the guard; on its last rung a checkpoint is written."""
        with self._saving():
            return self._guard.attempt(work, prepare)

    def save(self) -> None:
        """Write a checkpoint of the last finished episode; raises TrainingError."""
        kept = self._kept
        self._guard.enter(Phase.CHECKPOINT, kept.progress.episode)
        self._metrics.sync()
        self._milestones.sync()
        counters = {**kept.progress.to_json(), **kept.selection.numbers()}
        checkpoint = Checkpoint(
            {**kept.state, **kept.selection.tensors()},
            {**counters, "memory": self._guard.to_json()},
            self._fingerprint,
        )
        self._store.save(kept.progress.episode, checkpoint)
        self._saved_footprint = self._guard.footprint

    def discard_checkpoints(self) -> None:
        """The model is written; nothing is left to resume."""
        self._store.clear()

    def _choose(self) -> Trained:
        """The chosen weights; flat where validation gives no evidence that they beat staying flat.

        They are the best of many on one stretch of the market, which luck alone makes look good.
        """
        self._guard.enter(Phase.VALIDATION, self._progress.episode)
        network = copy.deepcopy(self._start.network).to(self.environment.device)
        network.load_state_dict(self._selection.weights)
        network.fold_gates()
        dataset, part = self.environment.dataset, self.environment.dataset.splits.validation
        t = t_value(self._validation(network)[1])
        importance = feature_importance(self.environment, network, part, self.settings.seed)
        skill = horizon_skill(network, dataset, part)
        abstains = t is None or t < EVIDENCE
        if abstains:
            network.abstain()
        return Trained(network, self._selection, t, abstains, importance, skill)

    def _begin(self) -> None:
        """From the latest checkpoint, or from the start and its value on validation."""
        checkpoint = self._store.load_latest()
        if checkpoint is not None:
            self._kept = self._take_up(checkpoint)
            self._equip()
            return
        self._build(episode=0)
        value, blocks = self._validation(self._learner.policy)
        weights = weights_of(self._learner.policy)
        self._selection = Selection.begin(weights, value, blocks, trained=self._start.trained)
        self._metrics.cut(0)
        self._milestones.cut(0)
        self._progress = Progress(milestones_bytes=self._append_milestone(0.0, 0))
        self._kept = self._snapshot()

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(self._learner.state_dict(), self._selection, self._progress)

    def _append_milestone(self, share: float, episode: int) -> int:
        chosen = self._selection
        milestone = Milestone.of(share, episode, chosen.value, chosen.blocks)
        return self._milestones.append(milestone.to_json())

    def _take_up(self, checkpoint: Checkpoint) -> _Snapshot:
        changed = differences(checkpoint.fingerprint, self._fingerprint)
        if changed:
            raise TrainingError(
                f"the unfinished run of {self.settings.bucket} was begun with other settings: "
                f"{'; '.join(changed)}. Restore them to resume it, or start a new run"
            )
        counters = dict(checkpoint.progress)
        self._guard.take_up(counters.pop("memory"))
        self._saved_footprint = self._guard.footprint
        tensors = checkpoint.tensors
        selection = Selection.take_up(tensors, counters, trained=self._start.trained)
        _log.info("%s goes on after episode %s", self.settings.bucket, counters["episode"])
        return _Snapshot(tensors, selection, Progress(**counters))

    def _equip(self) -> None:
        """Build everything anew, as memory allows, in the state of the last finished episode."""
        kept = self._kept
        self._build(kept.progress.episode)
        self._learner.load_state_dict(kept.state)
        self._selection, self._progress = kept.selection, kept.progress
        self._metrics.cut(kept.progress.metrics_bytes)
        self._milestones.cut(kept.progress.milestones_bytes)
        if self._guard.footprint != self._saved_footprint:
            self.save()  # a run killed from here on must go on as this one does

    def _build(self, episode: int) -> None:
        guard = self._guard
        guard.enter(Phase.START, episode)
        released = [vars(self).pop(name, None) is not None for name in ("_learner", "environment")]
        if any(released):
            guard.backend.empty_cache()
        settings = self.settings.halved() if guard.footprint.halved else self.settings
        dataset = self._dataset.to(guard.storage)
        self.environment = MarketEnvironment(dataset, settings, guard.device)
        self._held_returns = self.environment.held_returns(discount=1.0)
        self._start.generator.set_state(self._generator_state)
        self._learner = make_learner(
            self.environment,
            copy.deepcopy(self._start.network),
            settings,
            generator=self._start.generator,
            guidance=self._start.guidance,
        )
        guard.windows = settings.batch_size
        if isinstance(self._learner, Accumulating):
            guard.chunks = self._learner.chunks
            if guard.footprint.accumulated:
                self._learner.accumulate()

    def _episode(self) -> None:
        began = time.perf_counter()
        updates: list[Update] = []
        self._guard.enter(Phase.UPDATE, self._progress.episode + 1)
        for _ in range(self.settings.updates_per_episode):
            self._stop_if_asked()
            updates.append(self._learner.update())
        decisions = sum(update.bars.numel() for update in updates)
        elapsed = time.perf_counter() - began
        self._finish_episode(updates, decisions / max(elapsed, 1e-9))

    def _finish_episode(self, updates: list[Update], bars_per_second: float) -> None:
        episode = self._progress.episode + 1
        value = self._validate(episode)
        rollout = replay_windows(updates, self._held_returns, self.environment.cost)
        summary = summarise(updates, rollout, self.environment.interval)
        if not math.isfinite(summary.loss):
            raise DivergedError(
                f"{self.settings.bucket} diverged in episode {episode}: loss {summary.loss}; "
                f"lower LEARNING_RATE (now {self.settings.learning_rate}) and start a new run"
            )
        metrics = EpisodeMetrics(
            episode=episode,
            episodes=self.settings.episodes,
            validation_reward=value,
            bars_per_second=bars_per_second,
            **dataclasses.asdict(summary),
        )
        marks = self._progress.milestones_bytes
        if episode in self._shares:
            marks = self._append_milestone(self._shares[episode], episode)
        self._progress = Progress(episode, self._metrics.append(metrics.row()), marks)
        self._guard.enter(Phase.CHECKPOINT, episode)
        self._kept = self._snapshot()
        self._on_episode(metrics)

    def _validate(self, episode: int) -> float | None:
        if episode % self.settings.validate_every and episode not in self._shares:
            return None
        self._guard.enter(Phase.VALIDATION, episode)
        policy = self._learner.policy
        value, blocks = self._validation(policy)
        self._selection = self._selection.after(episode, value, blocks, lambda: weights_of(policy))
        return value

    def _validation(self, network: QNetwork) -> tuple[float, Array]:
        """Net bps a bar on the validation part, and the means of its blocks [blocks]."""
        rollout = self.environment.rollout(network, self.environment.dataset.splits.validation)
        return accounting.net_bps(rollout), block_means(rollout, self.settings.max_horizon)

    def _stop_if_asked(self) -> None:
        if self._should_stop():
            self.save()
            raise TrainingStoppedError(
                f"{self.settings.bucket} stopped after episode {self._progress.episode} of "
                f"{self.settings.episodes}; `btc-ai train --resume` goes on from there"
            )

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Write a checkpoint where the guard gives up, if there is memory for that."""
        try:
            yield
        except MemoryExhaustedError:
            self._save_if_possible()
            raise

    def _save_if_possible(self) -> None:
        try:
            self.save()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            _log.warning(
                "no memory for a last checkpoint of %s; the one before stays", self.settings.bucket
            )
