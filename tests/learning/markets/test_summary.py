"""What several seeds show together."""

import dataclasses

import pytest

from btc_ai.learning.evidence import t_quantile
from btc_ai.learning.markets.proof import FULL_BUDGET, Proof
from btc_ai.learning.markets.registry import LAG_TEST, known_markets
from btc_ai.learning.markets.summary import summarise

MARKETS = known_markets()
ONE = Proof(
    "G2", "Scalping", 0, 1, 0.98, 1.0, 1.0176, 0.98, 0.97, 0.07, abstains=False, cpu_seconds=3.0
)


def seeds(*achieved: float, **changes: float | int | str) -> list[Proof]:
    return [
        dataclasses.replace(ONE, seed=seed, achieved_bps=value, share=value, **changes)  # type: ignore[arg-type]
        for seed, value in enumerate(achieved)
    ]


def test_mean_and_interval_by_students_t() -> None:
    found = summarise(MARKETS["G2"], seeds(0.96, 0.98, 1.0))
    assert found.achieved_bps == pytest.approx(0.98)
    assert found.high - found.low == pytest.approx(2 * 4.3027 * 0.02 / 3**0.5, rel=1e-4)
    assert found.least == 0.96
    assert found.passed


def test_quantiles_of_students_t() -> None:
    tabulated = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 29: 2.045}
    for freedom, value in tabulated.items():
        assert t_quantile(freedom) == pytest.approx(value, rel=5e-3)


def test_one_seed_below_the_bar_fails_all() -> None:
    found = summarise(MARKETS["G2"], seeds(0.96, 0.94))
    assert found.shortfalls == ("seed 1: 94.0% of the optimum, not 95%",)
    assert not found.passed


def test_less_is_asked_of_a_short_training() -> None:
    short = {"decisions": FULL_BUDGET - 1}
    assert summarise(MARKETS["G2"], seeds(0.96, 0.94, **short)).passed
    assert not summarise(MARKETS["G2"], seeds(0.96, 0.74, **short)).passed


@pytest.mark.parametrize(("realised", "passed"), [(0.97, True), (0.88, False), (11.4, False)])
def test_a_lag_and_a_leak_show_in_what_is_realised(realised: float, passed: bool) -> None:
    found = summarise(MARKETS[LAG_TEST], seeds(0.97, 0.99, realised_bps=realised))
    assert found.passed is passed
