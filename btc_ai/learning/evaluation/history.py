"""What a finished model would have held at every candle of a range, as `predict` says it."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import btc_ai
from btc_ai.durable import replace_durably
from btc_ai.errors import DataError
from btc_ai.learning.dataset import Scales
from btc_ai.learning.evaluation.frozen import check_market, check_past
from btc_ai.learning.evaluation.report import span
from btc_ai.learning.files import disk_errors, sha256
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.signals import serve
from btc_ai.market.candles import Candles, iso
from btc_ai.market.features import FeatureRegistry

METADATA = b"btc_ai"


@dataclass(frozen=True)
class History:
    """A model's positions, candle by candle.

    time: each candle's close, ms since 1970 [candles]. position: held from the next open on, mean
    over the accounts, −1…1 [candles]. about: which model, and what it has seen.
    """

    time: NDArray[np.int64]
    position: NDArray[np.float64]
    about: dict[str, Any]


def history(
    folder: Path,
    candles: Candles,
    registry: FeatureRegistry,
    *,
    start: int | None = None,
    end: int | None = None,
    in_sample: bool = False,
) -> History:
    """The positions of the model in `folder` at the candles that open in [start, end), ms.

    Without `start` they begin with the part held out from training, without `end` they reach to the
    last candle. Candles without valid features, and the two before a hole, are left out. Raises
    TrainingError (no such model), and DataError for candles of another market or past, for a range
    without candles, and, unless `in_sample`, for one with candles that shaped the weights.
    """
    model = load_model(folder)
    check_market(model, folder, candles)
    check_past(model, folder, candles)
    start = model.card["parts"]["test"][0] if start is None else start
    end = int(candles.time[-1]) + candles.step if end is None else end
    wanted = (candles.time >= start) & (candles.time < end)
    if not wanted.any():
        last = int(candles.time[-1]) + candles.step
        raise DataError(
            f"there are no candles in {span(start, end)}; those of {candles.symbol} "
            f"{candles.interval} go from {span(int(candles.time[0]), last)} (UTC)"
        )
    seen = _seen(model, candles.time) & wanted
    if seen.any() and not in_sample:
        raise DataError(
            f"{model.card['bucket']} was trained or chosen on {int(seen.sum()):,} of these "
            f"candles, up to {iso(int(candles.time[seen][-1]) + candles.step)} UTC; begin the "
            "range there, or say --in-sample and do not take the results for evidence"
        )
    settings = TrainingSettings.from_json(model.card["settings"])
    with reproducible(settings.threads):
        scales = Scales(model.scaler, model.card["reward_scale"])
        environment = serve(candles, registry, settings, scales)
        held, known = environment.served_positions(model.network)
    told = wanted & known
    about = _about(model, folder, candles, in_sample=bool(seen.any()))
    return History(candles.time[told] + candles.step, held.mean(axis=0)[told], about)


def _seen(model: Model, time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which bars shaped the weights, by the model's card."""
    ranges = [each for kind in model.card["seen"].values() for each in kind]
    found = np.zeros(len(time), dtype=np.bool_)
    for a, b in ranges:
        found |= (time >= a) & (time < b)
    return found


def _about(model: Model, folder: Path, candles: Candles, *, in_sample: bool) -> dict[str, Any]:
    card = model.card
    return {
        "bucket": card["bucket"],
        "model": folder.name,
        "weights_sha256": model.weights_sha256,
        "symbol": candles.symbol,
        "interval": candles.interval,
        "synthetic": candles.synthetic,
        "seen": card["seen"],
        "in_sample": in_sample,
        "abstains": card["validation"]["abstains"],
        "cost_bps": card["settings"]["cost_bps"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": btc_ai.__version__,
    }


def write_history(found: History, path: Path) -> str:
    """Write Parquet with `time`, `position`, and `about` as its metadata; the file's SHA-256.

    Raises TrainingError where the disk will not.
    """
    table = pa.table({"time": found.time, "position": found.position})
    table = table.replace_schema_metadata({METADATA: json.dumps(found.about)})
    content = io.BytesIO()
    pq.write_table(table, content)
    with disk_errors(path):
        replace_durably(path, content.getvalue())
    return sha256(content.getvalue())
