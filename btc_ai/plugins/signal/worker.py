"""What a worker process does for the signal service: ask the models."""

from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext
from btc_ai.learning.signals import predict
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles

Body = dict[str, Any]


def predict_step(arguments: Body, context: StepContext) -> Body:
    """The signal of some models; arguments are those of `SignalService`."""
    return predict(
        {name: Path(folder) for name, folder in arguments["models"].items()},
        load_candles(Path(arguments["data_dir"]), arguments["symbol"], arguments["interval"]),
        installed_features(context.log),
        arguments["at"],
    ).to_json()
