import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.evaluation.walk_forward import (
    FoldProgress,
    plan_folds,
    walk_forward,
    walk_forward_id,
)
from btc_ai.learning.model_card import CARD, WEIGHTS, read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.trainer import TrainingStoppedError
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from btc_ai.paths import trials_file

LOOKBACK = 112
PLAIN = TrainingSettings("Plain", 2, 24, ("price", "rsi"))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(bars=st.integers(20_000, 90_000), folds=st.integers(1, 8), longest=st.integers(3, 60))
def test_folds_are_apart_in_order_and_leave_the_final_test_alone(
    bars: int, folds: int, longest: int
) -> None:
    plain = dataclasses.replace(PLAIN, max_horizon=longest)
    plan = plan_folds(bars, folds, plain, LOOKBACK)
    gap = longest + 1 + LOOKBACK
    assert len(plan) == folds
    for fold in plan:
        assert fold.train.start == 0
        assert fold.validation.start - fold.train.stop == gap
        assert fold.test.start - fold.validation.stop == gap
        assert fold.validation.stop > fold.validation.start
    for before, after in itertools.pairwise(plan):
        assert after.test.start == before.test.stop
        assert after.train.stop > before.train.stop
        assert after.test.stop - after.test.start == before.test.stop - before.test.start
    assert plan[-1].test.stop == round(0.85 * bars)


def test_too_many_folds_say_how_many_would_fit() -> None:
    with pytest.raises(
        DataError, match=r"Plain: 50 folds do not fit into 6,000 .* (\d+) would fit"
    ) as e:
        plan_folds(6_000, 50, PLAIN, LOOKBACK)
    fitting = int(str(e.value).split()[-3])
    assert len(plan_folds(6_000, fitting, PLAIN, LOOKBACK)) == fitting
    with pytest.raises(DataError, match="MIN_HORIZON 2, MAX_HORIZON 24, windows of 32 decisions"):
        plan_folds(6_000, fitting + 1, PLAIN, LOOKBACK)


def test_a_bucket_that_fits_into_no_fold_says_how_many_candles_it_needs() -> None:
    long = dataclasses.replace(PLAIN, min_horizon=72, max_horizon=576)
    with pytest.raises(DataError, match=r"MAX_HORIZON 576.* needs ([\d,]+) candles for that") as e:
        plan_folds(6_000, 3, long, LOOKBACK)
    needed = int(str(e.value).split()[-4].replace(",", ""))
    assert len(plan_folds(needed, 1, long, LOOKBACK)) == 1
    with pytest.raises(DataError, match="not even one would fit"):
        plan_folds(needed - 1, 1, long, LOOKBACK)


@pytest.mark.parametrize(("bars", "folds"), [(1, 1), (100, 5), (6_000, 10**6), (6_000, 0)])
def test_absurd_requests_are_errors_too(bars: int, folds: int) -> None:
    with pytest.raises(DataError):
        plan_folds(bars, folds, PLAIN, LOOKBACK)


def test_an_evaluation_that_is_stopped_goes_on_and_ends_the_same(
    trend: Candles, trader: TrainingSettings, tmp_path: Path
) -> None:
    registry = builtin_features()
    told: list[FoldProgress] = []
    whole = walk_forward(
        trader,
        trend,
        registry,
        tmp_path / "whole",
        2,
        ledger=TrialLedger(tmp_path / "whole.jsonl"),
        on_progress=told.append,
    )
    assert [(p.fold, p.metrics and p.metrics.episode) for p in told] == [
        (fold, episode) for fold in (1, 2) for episode in (*range(1, 9), None)
    ]
    json.dumps(told[0].to_json())
    ledger = TrialLedger(trials_file(tmp_path))
    seen: list[FoldProgress] = []

    def evaluate(stop_at: tuple[int, int] | None) -> object:
        seen.clear()
        return walk_forward(
            trader,
            trend,
            registry,
            tmp_path / "stopped",
            2,
            ledger=ledger,
            on_progress=seen.append,
            should_stop=lambda: bool(
                stop_at
                and seen
                and seen[-1].metrics
                and (seen[-1].fold, seen[-1].metrics.episode) == stop_at
            ),
        ).to_json()

    with pytest.raises(TrainingStoppedError):
        evaluate((2, 5))
    first = tmp_path / "stopped" / "fold-1" / WEIGHTS
    before = first.stat().st_mtime_ns
    resumed = evaluate(None)
    assert [(p.fold, p.metrics and p.metrics.episode) for p in seen] == [
        (1, None),
        *((2, episode) for episode in (6, 7, 8, None)),
    ]
    assert first.stat().st_mtime_ns == before
    assert resumed == whole.to_json()
    assert len(ledger.read()) == 2


def test_the_report_stitches_tests_that_no_model_has_seen(
    trend: Candles, trader: TrainingSettings, tmp_path: Path
) -> None:
    ledger = TrialLedger(trials_file(tmp_path))
    report = walk_forward(
        trader, trend, builtin_features(), tmp_path / "w", 2, ledger=ledger, seed=3
    )
    plan = plan_folds(len(trend), 2, trader, LOOKBACK)
    assert report.kind == "walk-forward"
    assert [report.start, report.end] == [
        int(trend.time[plan[0].test.start]),
        int(trend.time[6_800]),
    ]
    assert report.bars == 6_800 - plan[0].test.start
    model = report.policies["model"].evaluation
    folds = [fold["evaluation"] for fold in report.folds]
    assert model.net_bps_per_bar == pytest.approx(np.mean([f["net_bps_per_bar"] for f in folds]))
    assert model.trades == sum(f["trades"] for f in folds) > 20
    assert "1970-01-24 14:40" in report.notes[0]
    assert read_card(tmp_path / "w/fold-2")["parts"] == report.folds[1]["parts"]
    assert report.folds[1]["parts"] == plan[1].times(trend)
    trials = ledger.read()
    assert {trial.group for trial in trials} == {walk_forward_id(trader, trend, 2)}
    assert report.selection.trials == 2
    # A second configuration on the same days makes the two comparable.
    other = dataclasses.replace(trader, seed=6)
    both = walk_forward(other, trend, builtin_features(), tmp_path / "v", 2, ledger=ledger)
    assert (both.selection.trials, both.selection.compared) == (4, 2)
    assert both.selection.overfitting is not None


def test_the_final_test_is_never_read(
    trend: Candles, trader: TrainingSettings, tmp_path: Path
) -> None:
    """With another future the models and their results are the same, to the last bit."""
    close = trend.close.copy()
    close[6_800:] *= 2
    opened = trend.open.copy()
    opened[6_801:] *= 2
    other = dataclasses.replace(
        trend,
        close=close,
        open=opened,
        high=np.maximum(trend.high, np.maximum(opened, close)),
    )
    reports = [
        walk_forward(
            trader,
            candles,
            builtin_features(),
            tmp_path / name,
            1,
            ledger=TrialLedger(tmp_path / f"{name}.jsonl"),
        )
        for name, candles in (("a", trend), ("b", other))
    ]
    assert reports[0].policies == reports[1].policies
    weights = [read_card(tmp_path / name / "fold-1")["weights_sha256"] for name in "ab"]
    assert weights[0] == weights[1]
    assert (tmp_path / "a" / "fold-1" / CARD).exists()
