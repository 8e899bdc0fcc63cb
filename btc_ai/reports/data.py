"""The candles of a run, and how sound they are."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from btc_ai.config import Config
from btc_ai.errors import DataError
from btc_ai.history.answers import RunRow
from btc_ai.market.candles import Candles, iso
from btc_ai.market.quality import check_candles
from btc_ai.market.store import CandleStore
from btc_ai.reports.contents import Data, Finding, Model

BPS = 1e4


def read_candles(config: Config, run: RunRow) -> Candles | DataError:
    """A run's candles as they are stored now, or why they cannot be read."""
    try:
        return CandleStore(config.DATA_DIR).read(run.symbol, run.interval)
    except DataError as error:
        return error


def gather_data(run: RunRow, candles: Candles | DataError, models: Sequence[Model]) -> Data:
    """What is stored of a run's market; `models`: those it has made."""
    hashes = sorted({one.data_sha256 for one in models})
    found = Data(
        symbol=run.symbol, interval=run.interval, synthetic=run.synthetic, trained_sha256=hashes
    )  # fmt: skip
    if isinstance(candles, DataError):
        return Data(**{**vars(found), "problem": str(candles)})
    findings = [
        Finding(one.kind, one.severity, one.count, one.meaning, list(one.first))
        for one in check_candles(candles).findings
    ]
    return Data(
        **{
            **vars(found),
            "source": candles.source,
            "first": iso(candles.time[0]) if len(candles) else "",
            "last": iso(candles.time[-1]) if len(candles) else "",
            "bars": len(candles),
            "sha256": candles.sha256,
            "findings": findings,
        }
    )


def hold_on_validation(candles: Candles | DataError, model: Model | None) -> float | None:
    """What buying and holding earned on a model's validation part, net bps a bar.

    None where that cannot be known: the candles are others now, or gone.
    """
    if model is None or isinstance(candles, DataError) or candles.sha256 != model.data_sha256:
        return None
    start, end = model.parts["validation"]
    first, last = np.searchsorted(candles.time, [start, end])
    if last - first < 2:
        return None
    gained = math.log(candles.close[last - 1] / candles.close[first])
    cost = 2 * float(model.settings["cost_bps"])
    return float((BPS * gained - cost) / (last - first))


def seen_bars(model: Model) -> Mapping[str, float]:
    """The share of a model's test part that it, or one it comes from, was trained or chosen on."""
    start, end = model.parts["test"]
    return {
        kind: sum(max(0, min(end, stop) - max(start, begin)) for begin, stop in parts)
        / max(1, end - start)
        for kind, parts in model.seen.items()
    }
