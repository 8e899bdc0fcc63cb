from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.learning.audit.prefix import cut_points, prefix_invariance
from btc_ai.learning.audit.subject import Pipeline, Subject
from btc_ai.market.candles import Candles
from btc_ai.market.features import Feature, builtin_features
from tests.learning.audit.conftest import (
    Columns,
    centred_volatility,
    chikou,
    hourly,
    hourly_by_its_end,
    leaking_registry,
)

Audited = Callable[..., Subject]


def of_the_whole_series(candles: Candles) -> Columns:
    return {"z": (candles.close - candles.close.mean()) / candles.close.std()}


def smoothed_by_fft(candles: Candles) -> Columns:
    kernel = np.zeros(len(candles))
    kernel[:HALF] = 1 / HALF
    spectrum = np.fft.rfft(candles.close, 2 * len(candles)) * np.fft.rfft(kernel, 2 * len(candles))
    return {"mean": np.fft.irfft(spectrum)[: len(candles)]}


HALF = 6


class Erratic:
    """Draws anew at every call."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def __call__(self, candles: Candles) -> Columns:
        return {"noise": self.generator.random(len(candles))}


def writing(candles: Candles) -> Columns:
    candles.volume[:] = np.maximum(candles.volume, 1.0)
    return {"level": candles.volume + np.arange(len(candles))}


def next_high(candles: Candles) -> Columns:
    return {"high": np.append(candles.high[1:], candles.high[-1]) / candles.close}


def moody(candles: Candles) -> Columns:
    return {f"of_{len(candles)}": candles.close}


def pivot(candles: Candles) -> Columns:
    """1 at a high above both neighbours on either side."""
    high = pd.Series(candles.high)
    top = np.asarray(high == high.rolling(5, center=True, min_periods=1).max())
    return {"high": top.astype(np.float64)}


@pytest.mark.parametrize(
    ("feature", "column", "detail"),
    [
        (chikou, "'span'", "reads 26 bars ahead, as a later close (the chikou span)"),
        (
            hourly,
            "'close'",
            "up to 11 bars ahead, how far depends on the bar, as with a coarser bar",
        ),
        (next_high, "'high'", "reads 1 bar ahead"),
        (pivot, "'high'", "ahead"),
        (of_the_whole_series, "'z'", "computed from the whole series"),
        (smoothed_by_fft, "'mean'", "its last digits change"),
        (Erratic(), "'noise'", "other values when called again"),
        (writing, "'planted'", "writes into the candles"),
        (moody, "'planted'", "other columns than on all of it"),
    ],
)
def test_a_leaking_feature_is_named_with_what_it_is(
    audited: Audited, holed: Candles, feature: Feature, column: str, detail: str
) -> None:
    subject = audited(
        holed, features=("price", "planted"), registry=leaking_registry(planted=feature)
    )
    check = prefix_invariance(subject)
    assert not check.passed
    (finding,) = check.findings
    assert finding.part.startswith("feature 'planted'") and column in finding.part
    assert detail in finding.detail


def test_the_bar_of_a_finding_is_one_of_those_that_leak(audited: Audited, holed: Candles) -> None:
    """The first value that changes: behind it stands a bar that was cut off."""
    subject = audited(holed, features=("planted",), registry=leaking_registry(planted=chikou))
    (finding,) = prefix_invariance(subject).findings
    assert finding.bar is not None
    run = next(one for one in holed.segments if one.start <= finding.bar < one.stop)
    bars, at = holed.take(run), finding.bar - run.start
    whole = chikou(bars)["span"]
    assert any(
        chikou(bars.take(slice(0, cut)))["span"][at] != whole[at] for cut in range(at + 1, at + 27)
    )


def test_the_guides_features_and_sound_coarse_bars_pass(audited: Audited, holed: Candles) -> None:
    subject = audited(
        holed,
        features=(*builtin_features().names, "hour"),
        registry=leaking_registry(hour=hourly_by_its_end),
    )
    check = prefix_invariance(subject)
    assert check.passed, check.findings
    assert "5 hole-free runs" in check.looked_at


def test_every_run_is_looked_at(audited: Audited, holed: Candles) -> None:
    """A feature that leaks in the last run alone."""
    last = holed.segments[-1]

    def late(candles: Candles) -> Columns:
        known = candles.close if candles.time[0] < holed.time[last.start] else candles.close[-1:]
        return {"x": known + np.zeros(len(candles))}

    subject = audited(holed, features=("planted",), registry=leaking_registry(planted=late))
    (finding,) = prefix_invariance(subject).findings
    assert finding.bar is not None and finding.bar >= last.start


def test_a_volatility_that_looks_both_ways_is_named(audited: Audited) -> None:
    subject = audited(pipeline=Pipeline(volatility=centred_volatility))
    (finding,) = prefix_invariance(subject).findings
    assert finding.part == "volatility"


def test_a_feature_that_fails_is_named(audited: Audited) -> None:
    def failing(candles: Candles) -> Columns:
        return {"x": candles.close / candles.typical}  # type: ignore[attr-defined]

    subject = audited(features=("planted",), registry=leaking_registry(planted=failing))
    with pytest.raises(DataError, match=r"'planted' failed on 6,000.*AttributeError.*FEATURES"):
        prefix_invariance(subject)


@examples(derandomize=True)
@given(
    length=st.integers(2, 10_000),
    lookback=st.integers(0, 5_000),
    count=st.integers(0, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_cut_points_leave_a_value_to_compare_and_a_bar_to_cut(
    length: int, lookback: int, count: int, seed: int
) -> None:
    whole = lookback + length
    cuts = cut_points(whole, lookback, count, np.random.default_rng(seed))
    assert len(cuts) >= 1
    assert (cuts > lookback).all() and (cuts < whole).all()
