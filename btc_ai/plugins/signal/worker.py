"""What a worker process does for the signal service: ask the models."""

import secrets
import time
from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext
from btc_ai.errors import DataError
from btc_ai.learning.evaluation.history import history, write_history
from btc_ai.learning.files import disk_errors
from btc_ai.learning.signals import predict
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles

Body = dict[str, Any]
KEPT_S = 3600.0


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

    The file is the caller's to copy; a later step removes it, once it is an hour old.
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
    path = export_file(Path(arguments["folder"]), found.about["bucket"])
    digest = write_history(found, path)
    return {
        "file": str(path), "sha256": digest, "rows": len(found.time), "first": first, "last": last,
        **found.about,
    }  # fmt: skip


def export_file(folder: Path, bucket: str) -> Path:
    """A file of its own in `folder`, which is made; old ones there are removed.

    Raises TrainingError where the disk will not.
    """
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()
    return folder / f"{bucket}-{secrets.token_hex(8)}.parquet"
