import dataclasses

import numpy as np
import pytest

from btc_ai.learning.evaluation.selection import select
from btc_ai.learning.evaluation.sharpe import probabilistic_sharpe
from btc_ai.learning.evaluation.trials import Trial

HOUR = 3_600_000
RETURNS = 1e-3 + 0.01 * np.random.default_rng(0).standard_normal(2_000)


def trial(key: str, *, days: int = 60, first: str = "2024-01-01", seed: int = 0) -> Trial:
    daily = 0.01 * np.random.default_rng([seed, len(key)]).standard_normal(days)
    plain = Trial(key, f"/models/{key}", "BTC/USDT", "1h", "Short", "s", "d")
    return dataclasses.replace(
        plain, sharpe=float(daily.mean() * 1e3), first_day=first, daily=tuple(daily.tolist())
    )


def test_a_single_trial_is_not_deflated_and_has_no_pbo() -> None:
    alone = select([trial("a")], "a", "BTC/USDT", RETURNS, HOUR)
    ratio = float(RETURNS.mean() / RETURNS.std(ddof=1))
    plain = probabilistic_sharpe(
        ratio, 0, 2_000, float(((RETURNS - RETURNS.mean()) ** 3).mean() / RETURNS.std() ** 3), 3
    )
    assert plain is not None
    assert alone.deflated_sharpe == pytest.approx(plain, abs=1e-3)
    assert (alone.trials, alone.luck, alone.compared) == (1, 0, 1)
    assert alone.overfitting is None
    assert alone.overfitting_reason == "no other trial was tested on the same days"


def test_every_trial_of_the_symbol_counts_failed_ones_too() -> None:
    tried = [trial(name, seed=i) for i, name in enumerate("abcdefgh")]
    failed = dataclasses.replace(tried[0], key="x", error="diverged", daily=(), first_day=None)
    other = dataclasses.replace(tried[0], key="y", symbol="ETH/USDT")
    few = select(tried[:2], "a", "BTC/USDT", RETURNS, HOUR)
    many = select([*tried, failed, other], "a", "BTC/USDT", RETURNS, HOUR)
    assert (many.trials, many.failed, many.compared) == (9, 1, 8)
    assert few.deflated_sharpe is not None
    assert many.deflated_sharpe is not None
    assert many.deflated_sharpe < few.deflated_sharpe
    assert many.luck > few.luck > 0
    assert many.overfitting is not None


def test_luck_is_annualised_like_the_sharpe_ratios_it_comes_from() -> None:
    tried = [dataclasses.replace(trial(n), sharpe=s) for n, s in (("a", 1.0), ("b", 3.0))]
    told = select(tried, "a", "BTC/USDT", RETURNS, HOUR)
    # N = 2: √2 ((1 − γ) Φ⁻¹(.5) + γ Φ⁻¹(1 − 1 / 2e)) with Φ⁻¹(.81606) = .90045.
    assert told.luck == pytest.approx(np.sqrt(2) * 0.5772157 * 0.90045, rel=1e-3)


def test_trials_on_other_days_are_not_compared() -> None:
    own, later = trial("a"), trial("b", first="2025-01-01")
    half = trial("c", first="2024-01-31", seed=3)
    assert select([own, later], "a", "BTC/USDT", RETURNS, HOUR).compared == 1
    told = select([own, later, half], "a", "BTC/USDT", RETURNS, HOUR)
    assert told.compared == 2
    assert told.overfitting is not None


def test_folds_of_one_evaluation_are_one_series() -> None:
    """Three folds, sharing a day at each seam, against another evaluation of the same days."""
    firsts = ("2024-01-01", "2024-01-20", "2024-02-08")
    tried = [
        dataclasses.replace(trial(f"{g}{i}", days=20, first=f, seed=i), group=g)
        for g in ("g", "hh")
        for i, f in enumerate(firsts)
    ]
    told = select(tried, "g", "BTC/USDT", RETURNS, HOUR)
    assert (told.trials, told.compared) == (6, 2)
    assert told.overfitting is not None


@pytest.mark.parametrize(
    ("series", "days", "reason"),
    [("z", 60, "not in the ledger"), ("a", 5, "5 days in common; 8 needed")],
)
def test_no_pbo_has_a_reason(series: str, days: int, reason: str) -> None:
    tried = [trial("a", days=days), trial("b", days=days)]
    told = select(tried, series, "BTC/USDT", RETURNS, HOUR)
    assert told.overfitting is None
    assert told.overfitting_reason is not None
    assert reason in told.overfitting_reason


def test_equity_that_never_moved_has_no_dsr() -> None:
    told = select([], "a", "BTC/USDT", np.zeros(100), HOUR)
    assert (told.trials, told.deflated_sharpe) == (1, None)
    assert told.deflated_sharpe_reason == "equity never moved"
