"""What a worker process does for the signal service: ask the models."""

from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext
from btc_ai.errors import DataError
from btc_ai.learning.evaluation.history import history, write_history
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


def history_step(arguments: Body, context: StepContext) -> Body:
    """Write what a model would have held over a range; arguments are those of `SignalService`.

    The file lies in the model's folder.
    """
    [folder] = [Path(one) for one in arguments["models"].values()]
    found = history(
        folder,
        load_candles(Path(arguments["data_dir"]), arguments["symbol"], arguments["interval"]),
        installed_features(context.log),
        start=arguments["start"],
        end=arguments["end"],
        in_sample=arguments["in_sample"],
    )
    if not len(found.time):
        raise DataError("no candle of this range has valid features; choose a longer one")
    first, last = int(found.time[0]), int(found.time[-1])
    path = folder / f"signals-{first}-{last}.parquet"
    digest = write_history(found, path)
    return {
        "file": str(path), "sha256": digest, "rows": len(found.time), "first": first, "last": last,
        **found.about,
    }  # fmt: skip
