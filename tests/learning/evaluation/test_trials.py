import dataclasses
import json
import multiprocessing
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from btc_ai.errors import TrainingError
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.evaluation.trials import Trial, TrialLedger, daily_returns, trial_key
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from tests.learning.evaluation.conftest import ledger_of

DAY = 24 * 3600 * 1000


def trial(key: str, **values: object) -> Trial:
    plain = Trial(key, f"/models/{key}", "BTC/USDT", "5m", "Short", "s", "d")
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> TrialLedger:
    return TrialLedger(tmp_path / "deep" / "trials.jsonl")


def test_a_ledger_gives_back_what_was_recorded(ledger: TrialLedger) -> None:
    assert ledger.read() == []
    first = trial("a", test=(0, DAY), sharpe=1.5, first_day="2024-02-28", daily=(0.1, 0.0, -0.2))
    ledger.record(first)
    dataclasses.replace(ledger, group="g").record(trial("b", error="diverged"))
    assert ledger.read() == [first, trial("b", error="diverged", group="g")]
    assert first.days() == {date(2024, 2, 28): 0.1, date(2024, 2, 29): 0, date(2024, 3, 1): -0.2}


def test_the_same_trial_counts_once(ledger: TrialLedger) -> None:
    for _ in range(3):
        ledger.record(trial("a", time="now"))
    ledger.record(trial("aa"))
    assert [each.key for each in ledger.read()] == ["a", "aa"]
    assert len(ledger.path.read_text().splitlines()) == 2


def test_a_failure_that_was_resumed_is_not_a_second_trial(ledger: TrialLedger) -> None:
    ledger.record(trial("f", directory="/models/x", error="disk full"))
    ledger.record(trial("t", directory="/models/x"))
    ledger.record(trial("g", directory="/models/y", error="diverged"))
    assert [each.key for each in ledger.read()] == ["t", "g"]


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_last_line_is_passed_over_and_harms_no_other(ledger: TrialLedger, cut: int) -> None:
    ledger.record(trial("a"))
    ledger.record(trial("torn"))
    ledger.path.write_bytes(ledger.path.read_bytes()[:-cut])
    assert [each.key for each in ledger.read()] in (["a"], ["a", "torn"])
    ledger.record(trial("b"))
    assert {each.key for each in ledger.read()} >= {"a", "b"}
    ledger.record(trial("torn"))
    assert {each.key for each in ledger.read()} == {"a", "b", "torn"}


def test_foreign_lines_are_passed_over(ledger: TrialLedger) -> None:
    ledger.record(trial("a"))
    with ledger.path.open("ab") as file:
        file.write(b'\xff\xfe\n[]\n{"key": 1}\n{"key": "z", "unknown": 2}\n\n')
    ledger.record(trial("b"))
    assert [each.key for each in ledger.read()] == ["a", "b"]


def record_many(path: Path, name: int) -> None:
    for number in range(40):
        TrialLedger(path).record(trial(f"{name}-{number}", daily=tuple(np.arange(200.0))))
        TrialLedger(path).record(trial(f"shared-{number}"))


def test_processes_may_record_at_once(ledger: TrialLedger) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=record_many, args=(ledger.path, i)) for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    lines = ledger.path.read_text().splitlines()
    assert len(lines) == 5 * 40
    assert len({json.loads(line)["key"] for line in lines}) == 5 * 40


def test_an_unwritable_ledger_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"cannot write .*trials\.jsonl.*check the directory"):
        TrialLedger(tmp_path / "file" / "trials.jsonl").record(trial("a"))


def test_daily_returns_compound_to_the_total() -> None:
    curve = np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(1_000)))
    known = DAY * 19_800 + 300_000 * np.arange(1_000)
    known[700:] += 2 * DAY
    first, daily = daily_returns(curve, known)
    assert first == "2024-03-18"
    assert len(daily) == 6
    assert daily[3:5] == (0, 0) or daily[2 + 1] == 0
    assert np.prod(1 + np.array(daily)) == pytest.approx(curve[-1], abs=1e-6)
    assert daily[0] == pytest.approx(curve[287] - 1, abs=1e-8)


def test_training_writes_one_trial_that_outlives_the_model(
    trained: BucketResult, trend: Candles, trader: TrainingSettings, tmp_path: Path
) -> None:
    (told,) = ledger_of(trained).read()
    evaluation = trained.evaluation["model"]
    assert told.key == trial_key(trained.model, trained.weights_sha256)
    assert (told.symbol, told.interval, told.bucket) == ("TEST/USDT", "5m", "Trader")
    assert (told.bars, told.sharpe) == (evaluation.bars, evaluation.sharpe)
    assert told.test is not None
    assert told.test[1] == int(trend.time[-1]) + trend.step
    assert np.prod(1 + np.array(told.daily)) - 1 == pytest.approx(evaluation.total_return, abs=1e-6)
    ledger = ledger_of(trained)
    train_bucket(trader, trend, builtin_features(), trained.model, ledger=ledger)
    assert ledger.read() == [told]


def test_a_training_that_fails_is_a_trial_too(
    trend: Candles, trader: TrainingSettings, ledger: TrialLedger, tmp_path: Path
) -> None:
    wild = dataclasses.replace(trader, learning_rate=1e30)
    for _ in range(2):
        with pytest.raises(TrainingError, match="diverged"):
            train_bucket(wild, trend, builtin_features(), tmp_path / "m", ledger=ledger)
    (told,) = ledger.read()
    assert told.error is not None
    assert "diverged" in told.error
    assert told.sharpe is None


def test_a_kill_between_trial_and_model_counts_once(
    trend: Candles, trader: TrainingSettings, ledger: TrialLedger, tmp_path: Path
) -> None:
    class KilledError(BaseException):
        pass

    def killed(path: Path, content: bytes) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        train_bucket(trader, trend, builtin_features(), tmp_path / "m", ledger=ledger, write=killed)
    assert len(ledger.read()) == 1
    result = train_bucket(trader, trend, builtin_features(), tmp_path / "m", ledger=ledger)
    (told,) = ledger.read()
    assert told.key.endswith(result.weights_sha256)
