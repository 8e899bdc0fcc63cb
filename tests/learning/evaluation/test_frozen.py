import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from btc_ai.errors import DataError, TrainingError
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.evaluation.frozen import evaluate_model
from btc_ai.learning.evaluation.report import Report
from btc_ai.learning.model_card import CARD, read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, builtin_features
from tests.learning.evaluation.conftest import ledger_of


def evaluate(
    result: BucketResult,
    candles: Candles,
    start: int | None = None,
    end: int | None = None,
    registry: FeatureRegistry | None = None,
) -> Report:
    return evaluate_model(
        result.model,
        candles,
        registry or builtin_features(),
        ledger=ledger_of(result),
        start=start,
        end=end,
    )


def test_the_default_range_is_the_test_part_and_gives_what_training_told(
    trained: BucketResult, trend: Candles
) -> None:
    report = evaluate(trained, trend)
    assert report.policies["model"].evaluation == trained.evaluation["model"]
    assert report.policies["flat"].evaluation == trained.evaluation["flat"]
    assert report.policies["buy_and_hold"].evaluation == trained.evaluation["buy_and_hold"]
    assert list(report.policies)[3:] == ["random", "macd", "momentum"]
    assert [report.start, report.end] == read_card(trained.model)["parts"]["test"]
    assert (report.seen.trained, report.seen.chosen, report.notes) == (0, 0, [])
    assert (report.selection.trials, report.kind, report.bars) == (1, "frozen", 1_200)
    assert not report.passed
    assert "edge" not in report.verdict


def test_twice_is_the_same_to_the_last_bit(trained: BucketResult, trend: Candles) -> None:
    once, again = (json.dumps(evaluate(trained, trend).to_json()) for _ in range(2))
    assert once == again
    assert "NaN" not in once
    assert "Infinity" not in once


def test_a_model_is_frozen_whatever_the_range(trained: BucketResult, trend: Candles) -> None:
    """What it does on a bar depends on no later candle: not through the scaler either."""
    part = slice(7_000, 7_400)
    start = int(trend.time[part.start])
    short = evaluate(trained, trend, start, int(trend.time[part.stop]))
    long = evaluate(trained, trend, start)
    assert (short.bars, long.bars) == (400, 1_000)
    before, after = (r.policies["model"].series for r in (short, long))
    same = 380
    assert before.equity[:same] == after.equity[:same]
    assert len(set(before.equity[:same])) > 100


def test_the_range_tells_which_bars_shaped_the_model(trained: BucketResult, trend: Candles) -> None:
    parts = read_card(trained.model)["parts"]
    step = trend.step
    report = evaluate(
        trained, trend, parts["train"][1] - 100 * step, parts["validation"][0] + 50 * step
    )
    assert (report.seen.trained, report.seen.chosen) == (100, 50)
    assert report.bars == 150 + 25
    assert "trained on 100 and chosen on 50" in report.verdict
    assert not report.passed
    everything = evaluate(trained, trend, int(trend.time[0]))
    assert everything.seen.trained == 8_000 * 0.7 - 25
    assert everything.seen.chosen == 1_200 - 25


def test_what_an_ancestor_saw_counts(
    trained: BucketResult, trend: Candles, trader: TrainingSettings, tmp_path: Path
) -> None:
    """A model continued on fewer candles was trained, earlier on, on its own test part."""
    fewer = trend.take(slice(0, 6_000))
    longer = train_bucket(
        trader,
        fewer,
        builtin_features(),
        tmp_path / "m",
        initial=InitialModel(trained.model, "continue"),
    )
    report = evaluate_model(longer.model, fewer, builtin_features(), ledger=ledger_of(trained))
    assert report.bars == 900
    assert report.seen.trained == 5_600 - 25 - 5_100
    assert report.seen.chosen == 6_000 - 5_600


def test_newer_candles_are_noted_and_change_nothing(
    trained: BucketResult, make_candles: Callable[..., Candles], trend: Candles
) -> None:
    later = make_candles(trend.close[-1] * np.exp(np.linspace(0, 0.1, 500)))
    values = [
        np.concatenate([getattr(trend, name), getattr(later, name)])
        for name in ("open", "high", "low", "close", "volume")
    ]
    time = trend.step * np.arange(8_500, dtype=np.int64)
    grown = Candles.of(trend.symbol, trend.interval, time, values, source="test")
    report, plain = evaluate(trained, grown), evaluate(trained, trend)
    assert report.notes == ["500 newer candles than the model was trained with"]
    assert dataclasses.replace(report, notes=[]).to_json() == plain.to_json()
    newest = evaluate(trained, grown, int(trend.time[-1]) + trend.step)
    assert newest.bars == 500


def test_a_changed_past_is_refused_with_both_hashes(trained: BucketResult, trend: Candles) -> None:
    volume = trend.volume.copy()
    volume[17] *= 2
    changed = dataclasses.replace(trend, volume=volume)
    known = read_card(trained.model)["data_sha256"][:12]
    with pytest.raises(DataError, match=rf"hash {known}; .* {changed.sha256[:12]}: the past has"):
        evaluate(trained, changed)
    with pytest.raises(DataError, match=r"8,000 candles .* first 7,000 have"):
        evaluate(trained, trend.take(slice(0, 7_000)))


@pytest.mark.parametrize(("field", "value"), [("symbol", "ETH/USDT"), ("interval", "1h")])
def test_another_market_is_refused_with_both_names(
    trained: BucketResult, trend: Candles, field: str, value: str
) -> None:
    other = dataclasses.replace(trend, **{field: value})  # type: ignore[arg-type]
    expected = f"trained on TEST/USDT 5m, these candles are .*{value}"
    with pytest.raises(DataError, match=expected):
        evaluate(trained, other)


def test_a_range_outside_the_candles_names_both(trained: BucketResult, trend: Candles) -> None:
    beyond = int(trend.time[-1]) + 2 * trend.step
    match = (
        r"range 1970-01-24 14:40 to 1970-01-28 18:45 does not lie within the candles of TEST/USDT "
    )
    with pytest.raises(
        DataError, match=match + r"5m, which go from 1970-01-01 00:00 to 1970-01-28"
    ):
        evaluate(trained, trend, end=beyond)
    with pytest.raises(DataError, match="does not lie within"):
        evaluate(trained, trend, start=-1)
    with pytest.raises(DataError, match="does not lie within"):
        evaluate(trained, trend, start=int(trend.time[50]), end=int(trend.time[50]))


def test_a_range_too_short_for_the_bucket_says_how_long_it_must_be(
    trained: BucketResult, trend: Candles
) -> None:
    start, end = int(trend.time[7_000]), int(trend.time[7_009])
    with pytest.raises(DataError, match=r"has 9 candles; Trader, .* every 2, needs at least 10"):
        evaluate(trained, trend, start, end)


def test_features_that_differ_are_named_on_both_sides(
    trained: BucketResult, trend: Candles
) -> None:
    registry = FeatureRegistry()
    known = builtin_features()
    registry.register("price", known.get("price").function, 72)
    registry.register("rsi", lambda candles: {"other": np.log(candles.close)}, 0)
    with pytest.raises(
        DataError, match=r"model of Trader has the features .*rsi\.rsi_7.* gives price.*rsi\.other"
    ):
        evaluate(trained, trend, registry=registry)


def test_a_card_of_an_earlier_version_says_what_it_lacks(
    trained: BucketResult, trend: Candles, tmp_path: Path
) -> None:
    old = read_card(trained.model)
    del old["parts"]
    for path in trained.model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / CARD).write_text(json.dumps(old))
    with pytest.raises(TrainingError, match=r"without parts in its card; train the bucket again"):
        evaluate_model(tmp_path, trend, builtin_features(), ledger=ledger_of(trained))
    with pytest.raises(TrainingError, match="there is no model"):
        evaluate_model(tmp_path / "x", trend, builtin_features(), ledger=ledger_of(trained))
