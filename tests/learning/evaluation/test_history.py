import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btc_ai.errors import DataError
from btc_ai.learning.bucket import BucketResult
from btc_ai.learning.evaluation.history import History, history, write_history
from btc_ai.learning.files import sha256
from btc_ai.learning.model_card import read_card
from btc_ai.learning.signals import predict
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


def told(result: BucketResult, candles: Candles, *bars: int, in_sample: bool = False) -> History:
    start, end = (int(candles.time[bar]) for bar in bars) if bars else (None, None)
    return history(
        result.model, candles, builtin_features(), start=start, end=end, in_sample=in_sample
    )


def test_it_is_what_predict_says_at_every_candle(trained: BucketResult, trend: Candles) -> None:
    found = told(trained, trend)
    begin = int(np.searchsorted(trend.time, read_card(trained.model)["parts"]["test"][0]))
    assert found.time.tolist() == (trend.time[begin:] + trend.step).tolist()
    assert len(set(found.position.tolist())) > 1
    for row in (0, 1, 7, len(found.time) // 2, -2, -1):
        at = int(found.time[row])
        said = predict({"Any": trained.model}, trend, builtin_features(), at)
        assert (said.time, said.position) == (at, found.position[row])


def test_the_end_of_the_range_changes_nothing(trained: BucketResult, trend: Candles) -> None:
    whole, part = told(trained, trend), told(trained, trend, -500, -300)
    rows = np.isin(whole.time, part.time)
    assert len(part.time) == 200
    assert part.position.tolist() == whole.position[rows].tolist()


def test_candles_that_shaped_the_weights_are_refused_unless_asked_for(
    trained: BucketResult, trend: Candles
) -> None:
    seen = read_card(trained.model)["seen"]
    last = int(np.searchsorted(trend.time, seen["chosen"][0][1]))
    for first in (last - 1, int(np.searchsorted(trend.time, seen["trained"][0][1])) - 1):
        with pytest.raises(DataError, match=r"trained or chosen on .* --in-sample"):
            told(trained, trend, first, len(trend) - 1)
    assert told(trained, trend, last, len(trend) - 1).about["in_sample"] is False
    assert told(trained, trend, last - 1, len(trend) - 1, in_sample=True).about["in_sample"] is True


def test_a_range_without_candles(trained: BucketResult, trend: Candles) -> None:
    with pytest.raises(DataError, match="no candles"):
        history(trained.model, trend, builtin_features(), start=10**14, end=10**15)


def test_right_before_a_hole_nothing_is_told(trained: BucketResult, trend: Candles) -> None:
    bars, hole, more = len(trend), len(trend) + 100, 400
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(trend, name), getattr(trend, name)[:more]])
        for name in ("open", "high", "low", "close", "volume")
    }
    time = np.arange(bars + more, dtype=np.int64) * trend.step
    longer = dataclasses.replace(trend, time=time, **arrays)
    cut = longer.take(np.delete(np.arange(bars + more), hole))
    closes = set(told(trained, cut).time.tolist())
    missing = [bar for bar in range(bars, hole + 3) if int(time[bar]) + trend.step not in closes]
    assert missing[:3] == [hole - 2, hole - 1, hole]
    assert int(time[-1]) + trend.step in closes


def test_the_file_tells_what_it_is(trained: BucketResult, trend: Candles, tmp_path: Path) -> None:
    found = told(trained, trend)
    digest = write_history(found, tmp_path / "signals.parquet")
    assert digest == sha256((tmp_path / "signals.parquet").read_bytes())
    table = pq.read_table(tmp_path / "signals.parquet")
    assert table["time"].to_pylist() == found.time.tolist()
    assert table["position"].to_pylist() == found.position.tolist()
    about = json.loads(table.schema.metadata[b"btc_ai"])
    assert about == found.about
    assert about["weights_sha256"] == trained.weights_sha256
    assert about["seen"] == read_card(trained.model)["seen"]
