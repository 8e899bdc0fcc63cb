"""The whole life of one bucket's model: candles in, `model.safetensors` and `model.json` out."""

import dataclasses
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import btc_ai
from btc_ai.durable import Write, write_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.dataset import Dataset, Splits
from btc_ai.learning.environment import MarketEnvironment, Rollout
from btc_ai.learning.evaluation.baselines import constant
from btc_ai.learning.evaluation.bootstrap import intervals, mean_block
from btc_ai.learning.evaluation.results import Evaluation
from btc_ai.learning.evaluation.trials import TrialLedger, failed_trial, trained_trial
from btc_ai.learning.horizons import horizon_skill
from btc_ai.learning.memory.guard import MemoryGuard
from btc_ai.learning.memory.ladder import Phase
from btc_ai.learning.memory.notes import MemoryLimits, MemoryNote
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.model import hash_weights, save_model
from btc_ai.learning.model_card import CARD, read_card
from btc_ai.learning.network import POSITIONS
from btc_ai.learning.runtime import reproducible, select_device
from btc_ai.learning.settings import TrainingSettings, differences, fingerprint
from btc_ai.learning.start import InitialModel, Start, make_start
from btc_ai.learning.trainer import CHECKPOINT_SECONDS, Trained, Trainer
from btc_ai.learning.transfer.safeguard import Safeguard
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry


@dataclass(frozen=True)
class BucketResult:
    """A finished bucket. Evaluations are of the held-out test part.

    validation: value (net bps a bar) and episode of the chosen weights, the value at the start,
    the t-value against staying flat, and whether the model abstains for want of evidence.
    transfer: what it carried (`Transfer`), None without one. memory: the notes of the
    rungs taken for want of memory; degraded: one of them changed what is learned. ancestors:
    the models it comes from, nearest first, with the run, bucket and weights_sha256 of each.
    """

    bucket: str
    model: Path
    weights_sha256: str
    episodes: int
    validation: dict[str, Any]
    evaluation: dict[str, Evaluation]
    horizon_skill: dict[str, float | None]
    transfer: dict[str, Any] | None
    memory: list[dict[str, Any]]
    degraded: bool
    ancestors: list[dict[str, Any]]

    @classmethod
    def from_card(cls, directory: Path, card: Mapping[str, Any]) -> "BucketResult":
        """The result that a model's card tells."""
        return cls(
            bucket=card["bucket"],
            model=directory,
            weights_sha256=card["weights_sha256"],
            episodes=card["episodes"],
            validation=card["validation"],
            evaluation={k: Evaluation.from_json(v) for k, v in card["evaluation"].items()},
            horizon_skill=card["horizon_skill"],
            transfer=card["transfer"],
            memory=card["memory"],
            degraded=card["degraded"],
            ancestors=card["lineage"].get("ancestors", []),
        )

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {**dataclasses.asdict(self), "model": str(self.model)}


def train_bucket(
    settings: TrainingSettings,
    candles: Candles,
    registry: FeatureRegistry,
    directory: Path,
    *,
    initial: InitialModel | None = None,
    splits: Splits | None = None,
    ledger: TrialLedger | None = None,
    lineage: Mapping[str, Any] | None = None,
    on_episode: Callable[[EpisodeMetrics], None] = lambda metrics: None,
    on_memory: Callable[[MemoryNote], None] = lambda note: None,
    limits: MemoryLimits | None = None,
    guard: MemoryGuard | None = None,
    safeguard: Safeguard | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    write: Write = write_durably,
) -> BucketResult:
    """Train, evaluate and save one bucket in `directory`, which is this run's own.

    Called again on the same directory it goes on from the last checkpoint, and ends with the
    same weights, to the last bit, and the same `metrics.jsonl` as a run that was never
    interrupted. A run that is finished gives its result at once. The parts are 70/15/15 by time,
    unless `splits` tells them. A run that ends, well or badly, is a trial in the `ledger`.
    `lineage` goes into the card, with the `ancestors`, nearest first; a `guard` replaces the one
    made from the device, `limits` and `on_memory`. With a `safeguard` a transfer that cannot be
    made, or only in part, does not end the run. Raises DataError (too few candles, holes),
    ConfigError, TrainingError (settings changed, disk full, unwritable), MemoryExhaustedError, and
    TrainingStoppedError once `should_stop` says so.
    """
    with reproducible(settings.threads):
        device = select_device(settings.use_gpu)
        guard = guard or MemoryGuard.on(
            device, settings.bucket, limits or MemoryLimits(), on_memory
        )
        dataset, start, initial = guard.attempt(
            lambda: _prepare(settings, candles, registry, initial, splits, safeguard)
        )
        identity = fingerprint(
            settings, data_sha256=dataset.data_sha256, device=device.type, origin=start.origin
        )
        if splits:
            identity["parts"] = splits.times(candles)
        if (directory / CARD).exists():
            return _finished(directory, identity)
        if settings.use_gpu and device.type == "cpu":
            guard.say_no_gpu()
        trainer = Trainer(
            dataset,
            settings,
            directory,
            start=start,
            guard=guard,
            fingerprint=identity,
            on_episode=on_episode,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
            write=write,
        )
        try:
            trained = trainer.run()
        except TrainingError as error:
            if ledger:
                ledger.record(failed_trial(settings, candles, directory, error))
            raise

        def finish() -> dict[str, Any]:
            guard.enter(Phase.EVALUATION, settings.episodes)
            environment = MarketEnvironment(dataset.to(guard.storage), settings, guard.device)
            trained.network.to(environment.device)
            test = dataset.splits.test
            rollout = environment.rollout(trained.network, test)
            card = _card(environment, start, trained, rollout)
            card |= _history(candles, dataset.splits, initial)
            line = {**(lineage or {}), "ancestors": _ancestors(initial)}
            card |= {"lineage": line, "fingerprint": identity}
            card |= {"memory": guard.notes, "degraded": guard.footprint.halved}
            if ledger:
                # Before the card, which commits the model: no model is without its trial.
                weights = hash_weights(trained.network)
                ledger.record(
                    trained_trial(
                        settings, candles, directory, rollout=rollout, test=test,
                        weights_sha256=weights,
                    )
                )  # fmt: skip
            return save_model(directory, trained.network, card, write)

        saved = trainer.attempt(finish)
        trainer.discard_checkpoints()
        return BucketResult.from_card(directory, saved)


def _prepare(
    settings: TrainingSettings,
    candles: Candles,
    registry: FeatureRegistry,
    initial: InitialModel | None,
    splits: Splits | None,
    safeguard: Safeguard | None,
) -> tuple[Dataset, Start, InitialModel | None]:
    dataset = Dataset.from_candles(candles, registry, settings, splits=splits)
    if safeguard and initial and initial.kind == "transfer":
        start, taken = safeguard.begin(initial, lambda one: make_start(settings, dataset, one))
        return dataset, start, taken
    return dataset, make_start(settings, dataset, initial), initial


def _finished(directory: Path, identity: dict[str, Any]) -> BucketResult:
    card = read_card(directory)
    changed = differences(card["fingerprint"], identity)
    if changed:
        raise TrainingError(
            f"{directory} holds a finished model that was trained with other settings: "
            f"{'; '.join(changed)}. Train into a new directory"
        )
    return BucketResult.from_card(directory, card)


def _history(candles: Candles, splits: Splits, initial: InitialModel | None) -> dict[str, Any]:
    """The market that was learned from, and what times the weights have been shaped by.

    `seen` has [start, end) in ms of all training parts and of all parts that weights were chosen
    on, with those of the model that this one began with.
    """
    parts = splits.times(candles)
    before = read_card(initial.files).get("seen", {}) if initial else {}
    seen = {"trained": parts["train"], "chosen": parts["validation"]}
    return {
        "symbol": candles.symbol,
        "interval": candles.interval,
        "bars": len(candles),
        "parts": parts,
        "seen": {
            kind: [*(each for each in before.get(kind, []) if each != part), part]
            for kind, part in seen.items()
        },
    }


def _ancestors(initial: InitialModel | None) -> list[dict[str, Any]]:
    """The models that this one comes from, nearest first: run, bucket and hash of each."""
    if initial is None:
        return []
    card = read_card(initial.files)
    line = card.get("lineage") or {}
    nearest = {"run": line.get("run"), "bucket": card.get("bucket"),
               "weights_sha256": card["weights_sha256"]}  # fmt: skip
    return [nearest, *line.get("ancestors", [])]


def _card(
    environment: MarketEnvironment, start: Start, trained: Trained, rollout: Rollout
) -> dict[str, Any]:
    dataset, settings = environment.dataset, environment.settings
    test, chosen = dataset.splits.test, trained.selection
    skill = horizon_skill(trained.network, dataset, test)
    rollouts = {"model": rollout, **constant(environment, test)}
    evaluation = {
        name: Evaluation.of(each, dataset.interval_ms).to_json() for name, each in rollouts.items()
    }
    return {
        "bucket": settings.bucket,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "columns": list(dataset.columns),
        "scaler": json.loads(dataset.scaler.to_json()),
        "horizons": list(settings.horizons),
        "positions": list(POSITIONS),
        "reward_scale": dataset.reward_scale,
        "interval_ms": dataset.interval_ms,
        "settings": settings.to_json(),
        "data_sha256": dataset.data_sha256,
        "episodes": start.episodes_before + settings.episodes,
        "validation": {
            "value": chosen.best_value,
            "episode": chosen.best_episode,
            "start_value": chosen.start_value,
            "t_value": trained.t_value,
            "abstains": trained.abstains,
            "horizon_skill": {str(h): r2 for h, r2 in trained.horizon_skill.items()},
        },
        "evaluation": evaluation,
        "intervals": _intervals(rollouts, settings, dataset.interval_ms),
        "horizon_skill": {str(h): r2 for h, r2 in skill.items()},
        "importance": {name: drop.to_json() for name, drop in trained.importance.items()},
        "transfer": start.transfer.to_json() if start.transfer else None,
        "versions": {
            "btc-ai": btc_ai.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _intervals(
    rollouts: Mapping[str, Rollout], settings: TrainingSettings, interval_ms: int
) -> dict[str, Any]:
    """Of the model and of buying and holding, resampled alike; flat has none."""
    block, found = mean_block(settings.max_horizon), {}
    for name in ("model", "buy_and_hold"):
        generator = np.random.default_rng([0, 2])
        each, hold = rollouts[name], rollouts["buy_and_hold"]
        one = intervals(each, hold, interval_ms, block=block, generator=generator)
        found[name] = dataclasses.asdict(one)
    return found
