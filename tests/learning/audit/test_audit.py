import dataclasses
import itertools
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btc_ai.api.step import StepStoppedError
from btc_ai.errors import DataError
from btc_ai.learning.audit.audit import CHECKS, audit
from btc_ai.learning.audit.report import AuditReport
from btc_ai.learning.audit.subject import Pipeline
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import Feature, builtin_features
from btc_ai.market.importer import ImportSettings, read_candles
from btc_ai.market.sample import sample_market
from tests.learning.audit.conftest import (
    chikou,
    filled_at_the_close,
    hourly,
    leaking_registry,
    scaled_on_everything,
)

BUCKETS = {"Scalping": (1, 24), "Short": (6, 144), "Medium": (24, 288), "Long": (72, 576)}


def bucket(name: str, features: tuple[str, ...] = builtin_features().names) -> TrainingSettings:
    return TrainingSettings(name, *BUCKETS[name], features)


def failed(report: AuditReport) -> set[str]:
    return {check.name for check in report.checks if not check.passed}


@pytest.mark.parametrize(
    ("feature", "says"),
    [(chikou, "reads 26 bars ahead"), (hourly, "a coarser bar that is indexed by its start")],
)
def test_a_feature_that_reads_ahead_fails_by_name(
    walk: Candles, small: TrainingSettings, feature: Feature, says: str
) -> None:
    settings = dataclasses.replace(small, features=("price", "planted"))
    report = audit(walk, leaking_registry(planted=feature), settings)
    assert not report.passed
    assert {"prefix invariance", "shuffled returns", "train-serve equality"} <= failed(report)
    assert report.failures[0].startswith("prefix invariance: feature 'planted'")
    assert says in report.failures[0]


@pytest.mark.parametrize(
    ("pipeline", "checks", "says"),
    [
        (
            Pipeline(dataset=filled_at_the_close),
            {"gap canary"},
            "orders are filled at the close of the very bar that the decision was taken on",
        ),
        (
            Pipeline(dataset=scaled_on_everything),
            {"scrambled future"},
            "scaler of price.return_1, price.return_6",
        ),
    ],
)
def test_a_leaking_piece_fails_by_name_and_nothing_else_does(
    walk: Candles, small: TrainingSettings, pipeline: Pipeline, checks: set[str], says: str
) -> None:
    report = audit(walk, builtin_features(), small, pipeline=pipeline)
    # Where every open is the close before it, as in `walk`, only the canary tells the two apart.
    assert failed(report) == checks
    assert says in report.failures[0]


def test_sound_candles_with_holes_pass_and_all_is_told(
    holed: Candles, small: TrainingSettings
) -> None:
    told: list[tuple[int, int, str]] = []
    report = audit(holed, builtin_features(), small, on_progress=lambda *one: told.append(one))
    assert report.passed, report.failures
    assert [name for *_, name in told] == [
        "prefix invariance", "scrambled future", "shuffled returns", "gap canary",
        "train-serve equality", "",
    ]  # fmt: skip
    assert told[-1][:2] == (5, 5)
    plain = json.loads(json.dumps(report.to_json()))
    assert plain == report.to_json()
    assert plain["passed"] and plain["candles_sha256"] == holed.sha256
    assert [check["passed"] for check in plain["checks"]] == [True] * len(CHECKS)


def test_a_failure_is_told_in_full(walk: Candles, small: TrainingSettings) -> None:
    settings = dataclasses.replace(small, features=("planted", "price"))
    report = audit(walk, leaking_registry(planted=chikou), settings, quick=True)
    finding = report.to_json()["checks"][0]["findings"][0]
    assert finding["part"] == "feature 'planted', column 'span'"
    assert finding["time"].startswith("1970-01-")
    assert 0 <= finding["bar"] < len(walk)
    assert "leave the feature out of FEATURES" in finding["advice"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report(walk: Candles, small: TrainingSettings) -> None:
    first, again = (audit(walk, builtin_features(), small) for _ in range(2))
    assert first == again
    assert audit(walk, builtin_features(), small, quick=True, seed=1) != audit(
        walk, builtin_features(), small, quick=True
    )


def test_candles_are_left_as_they_were(walk: Candles, small: TrainingSettings) -> None:
    def writing(candles: Candles) -> dict[str, Any]:
        candles.close[:] = np.round(candles.close, 1)
        return {"x": candles.close}

    before = dataclasses.replace(walk).sha256
    settings = dataclasses.replace(small, features=("planted",))
    report = audit(walk, leaking_registry(planted=writing), settings, quick=True)
    assert "writes into the candles" in report.failures[0]
    assert dataclasses.replace(walk).sha256 == before


def _reached(asked: Iterator[int], limit: int) -> bool:
    return next(asked) >= limit


@pytest.mark.slow
def test_it_stops_when_asked_wherever_it_is(walk: Candles, small: TrainingSettings) -> None:
    asked = 0

    def never() -> bool:
        nonlocal asked
        asked += 1
        return False

    audit(walk, builtin_features(), small, should_stop=never)
    for limit in (0, asked // 3, asked - 1):
        with pytest.raises(StepStoppedError):
            audit(
                walk, builtin_features(), small,
                should_stop=partial(_reached, itertools.count(), limit),
            )  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (lambda c: {"x": np.where(c.time > 9e8, np.nan, c.close)}, "'planted'.*not finite at 1970"),
        (lambda c: {"x": np.ones(len(c))}, "constant over all.*planted.x"),
        (lambda c: {"x": c.close / 0}, "'planted'.*not finite"),
        (lambda c: {"x": c.close[:-1]}, "'planted'.*'x' has shape"),
        (lambda c: {"x": c.close[:, None]}, "'planted'.*'x' has shape"),
        (lambda c: {}, "'planted' must give"),
        (lambda c: c.close, "'planted' failed.*AttributeError"),
        (lambda c: {"x": ["up"] * len(c)}, "'planted' failed.*ValueError"),
        (lambda c: {"x": c.close[10**9]}, "'planted' failed.*IndexError"),
        (None, "'planted' failed.*TypeError"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("quick", [True, False])
def test_bad_features_are_named(
    walk: Candles, small: TrainingSettings, feature: Any, message: str, quick: bool
) -> None:
    settings = dataclasses.replace(small, features=("price", "planted"))
    with pytest.raises(DataError, match=message):
        audit(walk, leaking_registry(planted=feature), settings, quick=quick)


def test_unknown_features_and_too_few_candles_are_named(
    walk: Candles, small: TrainingSettings
) -> None:
    unknown = dataclasses.replace(small, features=("prise",))
    with pytest.raises(DataError, match="did you mean 'price'"):
        audit(walk, builtin_features(), unknown)
    with pytest.raises(DataError, match=r"Small needs at least \d+ candles"):
        audit(walk.take(slice(0, 200)), builtin_features(), small)


def test_the_fewest_candles_that_train_are_enough(small: TrainingSettings, walk: Candles) -> None:
    from btc_ai.learning.dataset import needed_candles

    enough = walk.take(slice(0, needed_candles(small, lookback=112)))
    report = audit(enough, builtin_features(), small)
    assert report.passed, report.failures


def test_a_sound_feature_that_a_made_up_market_leaves_constant_is_no_false_alarm(
    walk: Candles, small: TrainingSettings
) -> None:
    """Bars without trades, and a flag that rises late in the real candles."""
    quiet = dataclasses.replace(walk, volume=np.where(np.arange(len(walk)) % 7, walk.volume, 0.0))
    first = walk.time[2_000]

    def halts(candles: Candles) -> dict[str, Any]:
        return {"untraded": candles.volume == 0, "late": candles.time > first}

    settings = dataclasses.replace(small, features=("price", "planted"))
    report = audit(quiet, leaking_registry(planted=halts), settings)
    assert report.passed, report.failures
    canary = next(check for check in report.checks if check.name == "gap canary")
    assert "updates with price:" in canary.looked_at


IN_CI = {
    "btcusdt_5m_2023": ("Short", "Long"),
    "ethusdt_5m_2023": ("Scalping",),
    "btcusdt_1h_2017_2024": ("Long",),
    "sample market": ("Medium",),
}
"""The buckets that CI has time for; `make soak` audits the others."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param(file, name, marks=() if name in in_ci else pytest.mark.soak)
        for file, in_ci in IN_CI.items()
        for name in BUCKETS
    ],
)
def test_no_false_alarm(real_data: Path, file: str, name: str) -> None:
    candles = sample_market()
    if file != "sample market":
        settings = ImportSettings(symbol="BTC/USDT", interval=file.split("_")[1])
        candles = read_candles(real_data / f"{file}.parquet", settings).candles
    report = audit(candles, builtin_features(), bucket(name))
    assert report.passed, report.failures


def test_the_quick_checks_take_two_seconds_on_a_year(btc_2023: Candles) -> None:
    settings = bucket("Short", (*builtin_features().names, "planted"))
    registry = leaking_registry(planted=lambda c: {"x": np.log(c.high / c.low)})
    audit(btc_2023.take(slice(0, 20_000)), registry, settings, quick=True)
    began = time.process_time()
    assert audit(btc_2023, registry, settings, quick=True).passed
    assert time.process_time() - began < 2
