"""What a worker process does for the training service: train one bucket."""

import resource
import time
from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext, StepStoppedError
from btc_ai.learning.audit.gate import require_sound_features
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.memory.notes import MemoryLimits
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.trainer import TrainingStoppedError
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles

Body = dict[str, Any]


def train_step(arguments: Body, context: StepContext) -> Body:
    """Audit a plugin's features, then train one bucket; arguments are those of `Runner._train`."""
    settings = TrainingSettings.from_json(arguments["settings"])
    where = {key: arguments[key] for key in ("symbol", "interval", "market")}
    candles = load_candles(Path(arguments["data_dir"]), **where)
    registry, directory = installed_features(context.log), Path(arguments["directory"])
    require_sound_features(candles, registry, settings, directory, should_stop=context.should_stop)
    began = time.monotonic()

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
            on_memory=lambda note: context.progress({"memory": note.to_json()}),
            limits=MemoryLimits(**arguments["memory_limits"]),
            should_stop=context.should_stop,
        )
    except TrainingStoppedError as stop:
        raise StepStoppedError(str(stop)) from None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**result.to_json(), "worker_peak_mb": round(peak / 1024, 1)}


def _initial(arguments: Body) -> InitialModel | None:
    if source := arguments["continue_from"]:
        return InitialModel(Path(source), "continue")
    if source := arguments["transfer_from"]:
        return InitialModel(Path(source), "transfer")
    return None
