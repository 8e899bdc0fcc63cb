"""Trains one bucket, so that a run killed at any moment ends as if it had never been."""

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from btc_ai.errors import BtcAiError, TrainingError
from btc_ai.learning.checkpoint import Checkpoint, CheckpointStore
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evidence import EVIDENCE, Array, as_good, block_means, t_value
from btc_ai.learning.files import Write, write_durably
from btc_ai.learning.learners.learner import Update
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.metrics import EpisodeMetrics, MetricsFile, replay_windows, summarise
from btc_ai.learning.model import weights_of
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings, differences
from btc_ai.learning.start import Start

CHECKPOINTS = "checkpoints"
CHECKPOINT_SECONDS = 2.0

_log = logging.getLogger(__name__)


class TrainingStoppedError(BtcAiError):
    """The run was asked to stop and its checkpoint is written; running it again goes on."""

    code: ClassVar[str] = "stopped"


@dataclass(frozen=True)
class Progress:
    """How far a run is. `best_*` tell which averaged weights were chosen on validation.

    peak_value: the highest validation value, within one standard error of which they are.
    """

    episode: int = 0
    metrics_bytes: int = 0
    start_value: float = 0.0
    best_episode: int = 0
    best_value: float | None = None
    peak_value: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Trained:
    """The network chosen on validation, and how the run went.

    t_value: of its validation returns against staying flat, by batch means; None where it never
    traded. abstains: there was too little evidence, and the network stays flat.
    """

    network: QNetwork
    progress: Progress
    t_value: float | None
    abstains: bool


class Trainer:
    """One bucket's run in `directory`; an unfinished run there is taken up where it was.

    A checkpoint is written at the end of an episode, at most every `checkpoint_seconds`, and when
    stopped. When it is written changes nothing in what is learned.
    """

    def __init__(
        self,
        environment: MarketEnvironment,
        settings: TrainingSettings,
        directory: Path,
        *,
        start: Start,
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
        self.environment = environment
        self.settings = settings
        self._network = start.network
        self._start = start
        self._learner = make_learner(
            environment,
            copy.deepcopy(start.network),
            settings,
            generator=start.generator,
            frozen_updates=start.frozen_updates,
        )
        self._fingerprint = fingerprint
        self._on_episode = on_episode
        self._should_stop = should_stop
        self._checkpoint_seconds = checkpoint_seconds
        self._store = CheckpointStore(directory / CHECKPOINTS, write)
        self._metrics = MetricsFile(directory)
        self._held_returns = environment.held_returns(discount=1.0)
        self._best: dict[str, Tensor] = weights_of(self._learner.policy)
        self._peak: Array = np.zeros(0)
        self._progress = self._resume() or self._begin()
        self._state = self._learner.state_dict()
        self._metrics.cut(self._progress.metrics_bytes)

    def run(self) -> Trained:
        """Train to the last episode; raises TrainingStoppedError when asked to stop."""
        saved = time.monotonic()
        while self._progress.episode < self.settings.episodes:
            self._episode()
            if time.monotonic() - saved >= self._checkpoint_seconds:
                self.save()
                saved = time.monotonic()
        return self._chosen()

    def save(self) -> None:
        """Write a checkpoint of the last finished episode; raises TrainingError."""
        self._metrics.sync()
        best = {f"best.{name}": tensor for name, tensor in self._best.items()}
        checkpoint = Checkpoint(
            {**self._state, **best, "peak": torch.from_numpy(self._peak)},
            self._progress.to_json(),
            self._fingerprint,
        )
        self._store.save(self._progress.episode, checkpoint)

    def discard_checkpoints(self) -> None:
        """The model is written; nothing is left to resume."""
        self._store.clear()

    def _chosen(self) -> Trained:
        """The chosen weights; flat where validation gives no evidence that they beat staying flat.

        They are the best of many on one stretch of the market, which luck alone makes look good.
        """
        self._network.load_state_dict(self._best)
        network = self._network.to(self.environment.dataset.features.device)
        t = t_value(self._validation(network)[1])
        abstains = t is None or t < EVIDENCE
        if abstains:
            network.abstain()
        return Trained(network, self._progress, t, abstains)

    def _begin(self) -> Progress:
        value, blocks = self._validation(self._learner.policy)
        if not self._start.trained:
            return Progress(start_value=value)
        self._peak = blocks
        return Progress(start_value=value, best_value=value, peak_value=value)

    def _resume(self) -> Progress | None:
        checkpoint = self._store.load_latest()
        if checkpoint is None:
            return None
        changed = differences(checkpoint.fingerprint, self._fingerprint)
        if changed:
            raise TrainingError(
                f"the unfinished run of {self.settings.bucket} was begun with other settings: "
                f"{'; '.join(changed)}. Restore them to resume it, or start a new run"
            )
        tensors = checkpoint.tensors
        self._learner.load_state_dict(tensors)
        self._best = {n.removeprefix("best."): t for n, t in tensors.items() if n[:5] == "best."}
        self._peak = tensors["peak"].numpy()
        _log.info(
            "%s goes on after episode %s", self.settings.bucket, checkpoint.progress["episode"]
        )
        return Progress(**checkpoint.progress)

    def _episode(self) -> None:
        began = time.perf_counter()
        updates: list[Update] = []
        for _ in range(self.settings.updates_per_episode):
            self._stop_if_asked()
            updates.append(self._learner.update())
        decisions = sum(update.bars.numel() for update in updates)
        elapsed = time.perf_counter() - began
        self._finish_episode(updates, decisions / max(elapsed, 1e-9))
        self._stop_if_asked()

    def _finish_episode(self, updates: list[Update], bars_per_second: float) -> None:
        episode = self._progress.episode + 1
        value = self._validate(episode)
        rollout = replay_windows(updates, self._held_returns, self.environment.cost)
        summary = summarise(updates, rollout, self.environment.interval)
        if not math.isfinite(summary.loss):
            raise TrainingError(
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
        size = self._metrics.append(metrics)
        self._progress = dataclasses.replace(self._progress, episode=episode, metrics_bytes=size)
        self._state = self._learner.state_dict()
        self._on_episode(metrics)

    def _validate(self, episode: int) -> float | None:
        last = episode == self.settings.episodes
        if episode % self.settings.validate_every and not last:
            return None
        value, blocks = self._validation(self._learner.policy)
        if self._is_chosen(value, blocks):
            self._best = weights_of(self._learner.policy)
            self._progress = dataclasses.replace(
                self._progress, best_episode=episode, best_value=value
            )
        if self._progress.peak_value is None or value >= self._progress.peak_value:
            self._peak = blocks
            self._progress = dataclasses.replace(self._progress, peak_value=value)
        return value

    def _is_chosen(self, value: float, blocks: Array) -> bool:
        """The one-standard-error rule (Breiman et al. 1984, §3.4.3), for the latest weights.

        The highest value is often an early one's luck, and the later has learned more. A model
        that is trained further never ends below where it began.
        """
        peak, start = self._progress.peak_value, self._progress.start_value
        if peak is None or value >= peak:
            return True
        return as_good(blocks, self._peak) and not (self._start.trained and value < start)

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
