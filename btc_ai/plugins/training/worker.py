"""What a worker process does for the training service: train one bucket, judge its transfer."""

import dataclasses
import json
import resource
import shutil
import time
from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext, StepStoppedError
from btc_ai.durable import replace_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.audit.gate import require_sound_features
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.files import disk_errors
from btc_ai.learning.memory.backend import MB
from btc_ai.learning.memory.host import HostMemory
from btc_ai.learning.memory.notes import MemoryLimits, MemoryNote
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.model_card import CARD, read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.trainer import CHECKPOINTS, DivergedError, TrainingStoppedError
from btc_ai.learning.transfer.ledger import TransferLedger
from btc_ai.learning.transfer.milestones import MILESTONES, read_milestones
from btc_ai.learning.transfer.safeguard import Safeguard, TransferReport
from btc_ai.learning.transfer.verdict import Verdict, compare
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles

Body = dict[str, Any]

ROLLED_BACK = "transfer rolled back: "


class RolledBackError(TrainingError):
    """The transferred run is worse than its scratch twin, which takes its place."""


def train_step(arguments: Body, context: StepContext) -> Body:
    """Audit a plugin's features, then train one bucket; arguments are those of `Runner._train`.

    A run that is measured ends as soon as it is rolled back, and where it diverges; `rolled_back`,
    the reason, is then all it returns. One that carries nothing over is not measured.
    """
    settings = TrainingSettings.from_json(arguments["settings"])
    where = {key: arguments[key] for key in ("symbol", "interval", "market")}
    candles = load_candles(Path(arguments["data_dir"]), **where)
    registry, directory = installed_features(context.log), Path(arguments["directory"])
    require_sound_features(candles, registry, settings, directory, should_stop=context.should_stop)
    began, ledger = time.monotonic(), _ledger(arguments)
    twin = _Twin(directory, arguments["scratch"], settings.seed)
    twin.paired = not arguments["degraded"]

    def on_episode(metrics: EpisodeMetrics) -> None:
        rest = metrics.episodes - metrics.episode
        elapsed = time.monotonic() - began
        context.progress(
            {
                "episode": metrics.episode,
                "metrics": metrics.to_json(),
                "eta_s": round(rest * elapsed / max(metrics.episode, 1), 1),
            }
        )
        context.log.info("episode", **_told(metrics))
        twin.require_as_good()

    def on_report(report: TransferReport) -> None:
        if ledger:
            source = arguments["transfer"]["source"]
            target = {"bucket": settings.bucket, "directory": str(directory)}
            ledger.began(report, arguments["run"], source, target)
        twin.watched = twin.watched and bool(report.kinds)
        context.progress({"transfer": report.to_json()})

    def on_memory(note: MemoryNote) -> None:
        twin.paired = twin.paired and not note.degraded
        context.progress({"memory": note.to_json()})

    safeguard = _safeguard(arguments, on_report)
    try:
        result = train_bucket(
            settings,
            candles,
            registry,
            directory,
            initial=_initial(arguments),
            ledger=TrialLedger(Path(arguments["trials"])),
            lineage={"run": arguments["run"], "symbol": arguments["symbol"]},
            on_episode=on_episode,
            on_memory=on_memory,
            limits=MemoryLimits(**arguments["memory_limits"]),
            safeguard=safeguard,
            should_stop=context.should_stop,
        )
    except TrainingStoppedError as stop:
        raise StepStoppedError(str(stop)) from None
    except RolledBackError as error:
        return {"rolled_back": str(error)}
    except DivergedError as error:
        context.progress({"diverged": {"text": str(error)}})
        if not twin.watched:
            raise
        return {"rolled_back": f"{ROLLED_BACK}{error}"}
    if ledger:
        backend = HostMemory()
        backend.empty_cache()
        ledger.trained(result.weights_sha256, round(backend.read().own / MB, 1))
    return {**result.to_json(), "worker_peak_mb": _peak_mb(safeguard)}


def judge_step(arguments: Body, context: StepContext) -> Body:
    """Compare a transferred run with its scratch twin; both have ended, or passed the verdict.

    `rolled_back`: why the transferred run ended early, None where it did not. `failure`: why there
    is nothing to compare with. Writes the verdict into the ledger and onto the card of the model
    that it chose.
    """
    directory, scratch = Path(arguments["directory"]), Path(arguments["scratch"])
    transfer, failure = arguments["transfer"], arguments["failure"]
    ledger = TransferLedger(Path(transfer["ledger"]), transfer["id"])
    if failure:
        ledger.not_judged(failure)
        return {"decision": None, "error": failure}
    if not arguments["rolled_back"] and (failure := _unlike(directory, scratch)):
        ledger.not_judged(failure)
        return {"decision": None, "error": failure}
    verdict = _verdict(directory, scratch, arguments["settings"]["seed"])
    if verdict.decision is None and arguments["rolled_back"]:
        reason = arguments["rolled_back"].removeprefix(ROLLED_BACK)
        verdict = dataclasses.replace(verdict, decision="rolled_back", reason=reason)
    if verdict.decision is None:
        raise TrainingError(
            f"{directory} and {scratch} cannot be compared: milestones are missing; train the "
            "bucket again"
        )
    ledger.judged(verdict.to_json())
    kept = verdict.decision == "kept"
    _note_verdict(directory if kept else scratch, transfer, verdict.to_json())
    shutil.rmtree((scratch if kept else directory) / CHECKPOINTS, ignore_errors=True)
    return verdict.to_json()


def keep_verdict_step(arguments: Body, context: StepContext) -> Body:
    """Write a study's `verdict` into the ledger and onto the card of the trained model."""
    transfer, verdict = arguments["transfer"], arguments["verdict"]
    directory = Path(arguments["directory"])
    ledger = TransferLedger(Path(transfer["ledger"]), transfer["id"])
    if verdict["decision"] == "kept":
        ledger.judged(verdict)
    else:
        target = {"bucket": arguments["settings"]["bucket"], "directory": str(directory)}
        ledger.declined(arguments["run"], transfer, target, verdict)
    _note_verdict(directory, transfer, verdict)
    return {}


def _told(metrics: EpisodeMetrics) -> Body:
    """What there is of them, in six digits."""
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in metrics.to_json().items()
        if value is not None
    }


def _note_verdict(model: Path, transfer: Body, verdict: Body) -> None:
    """The model's card says why it is the model."""
    kept = ("decision", "reason", "impact")
    summary = {
        "id": transfer["id"],
        "source": transfer["source"],
        **{key: verdict[key] for key in kept},
    }
    card = {**read_card(model), "verdict": summary}
    with disk_errors(model / CARD):
        replace_durably(model / CARD, json.dumps(card, indent=1).encode())


def _unlike(directory: Path, scratch: Path) -> str | None:
    """Why two finished arms are no pair: one of them learned in smaller updates."""
    degraded = [read_card(arm).get("degraded", False) for arm in (directory, scratch)]
    if degraded[0] == degraded[1]:
        return None
    which = "transferred run" if degraded[0] else "twin from scratch"
    return (
        f"not measured: for want of memory the updates of the {which}, and of it alone, are "
        "smaller than configured"
    )


def _verdict(directory: Path, scratch: Path, seed: int) -> Verdict:
    return compare(read_milestones(directory), read_milestones(scratch), seed=seed)


class _Twin:
    """Watches what the scratch twin has passed, as often as it passes something."""

    def __init__(self, directory: Path, scratch: str | None, seed: int) -> None:
        """`scratch` is None where the run is not measured. paired: both learn in the same way."""
        self._directory, self._seed = directory, seed
        self._scratch = Path(scratch) if scratch else None
        self._seen = (0, 0)
        self.watched, self.paired = scratch is not None, True

    def require_as_good(self) -> None:
        """Raises RolledBackError once the milestones that both have passed say so."""
        if self._scratch is None or not (self.watched and self.paired):
            return
        sizes = _size(self._directory), _size(self._scratch)
        if sizes == self._seen:
            return
        self._seen = sizes
        verdict = _verdict(self._directory, self._scratch, self._seed)
        if verdict.decision == "rolled_back":
            raise RolledBackError(f"{ROLLED_BACK}{verdict.reason}")


def _size(directory: Path) -> int:
    try:
        return (directory / MILESTONES).stat().st_size
    except FileNotFoundError:
        return 0


def _ledger(arguments: Body) -> TransferLedger | None:
    transfer = arguments["transfer"]
    return TransferLedger(Path(transfer["ledger"]), transfer["id"]) if transfer else None


def _peak_mb(safeguard: Safeguard | None) -> float:
    """The most that this process has held, also before a transfer had its peak measured anew."""
    since = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = safeguard.peak_before_mb if safeguard else None
    return round(max(since, before or 0.0), 1)


def _safeguard(arguments: Body, on_report: Any) -> Safeguard | None:
    transfer = arguments["transfer"]
    if not transfer:
        return None
    limit = transfer["max_memory"]
    return Safeguard(Path(arguments["directory"]), limit, on_report=on_report)


def _initial(arguments: Body) -> InitialModel | None:
    if source := arguments["continue_from"]:
        return InitialModel(Path(source), "continue")
    if transfer := arguments["transfer"]:
        source = Path(transfer["source"]["model"])
        return InitialModel(source, "transfer", tuple(transfer["kinds"]))
    return None
