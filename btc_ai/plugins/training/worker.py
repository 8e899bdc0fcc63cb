"""What a worker process does for the training service: train one bucket."""

import resource
import time
from pathlib import Path
from typing import Any

from btc_ai.api.discovery import discover
from btc_ai.api.step import StepContext, StepStoppedError
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.evaluation.trials import LEDGER, TrialLedger
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.trainer import TrainingStoppedError
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, builtin_features
from btc_ai.market.sample import sample_market
from btc_ai.market.store import CandleStore

Body = dict[str, Any]


def train_step(arguments: Body, context: StepContext) -> Body:
    """Train one bucket; its arguments are those of `Runner._train`."""
    settings = TrainingSettings.from_json(arguments["settings"])
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
            _candles(arguments),
            _features(context),
            Path(arguments["directory"]),
            initial=_initial(arguments),
            ledger=TrialLedger(Path(arguments["models_dir"]) / LEDGER),
            lineage={"run": arguments["run"], "symbol": arguments["symbol"]},
            on_episode=on_episode,
            should_stop=context.should_stop,
        )
    except TrainingStoppedError as stop:
        raise StepStoppedError(str(stop)) from None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**result.to_json(), "worker_peak_mb": round(peak / 1024, 1)}


def _candles(arguments: Body) -> Candles:
    store = CandleStore(Path(arguments["data_dir"]))
    symbol, interval = arguments["symbol"], arguments["interval"]
    if arguments["market"] == "sample" and not store.exists(symbol, interval):
        store.save(sample_market())
    return store.load(symbol, interval)


def _initial(arguments: Body) -> InitialModel | None:
    if source := arguments["continue_from"]:
        return InitialModel(Path(source), "continue")
    if source := arguments["transfer_from"]:
        return InitialModel(Path(source), "transfer")
    return None


def _features(context: StepContext) -> FeatureRegistry:
    """The built-in features and those of plugins; a plugin that fails is left out, and logged."""
    import pluggy

    from btc_ai.api import hooks

    registry = builtin_features()
    for found in discover():
        if found.problem or found.manifest is None or not found.manifest.features:
            continue
        manager = pluggy.PluginManager("btc_ai")
        manager.add_hookspecs(hooks)
        try:
            manager.register(found.load())
            manager.hook.btc_ai_features(registry=registry)
        except Exception:  # a fence: plugin load
            context.log.error("plugin features", plugin=found.entry_point.name, exc_info=True)
    return registry
