import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from btc_ai.learning.audit.shuffled import shuffled, shuffled_returns
from btc_ai.learning.audit.subject import Pipeline, Subject
from btc_ai.market.candles import Candles
from btc_ai.market.quality import check_candles
from btc_ai.market.sample import sample_market
from tests.learning.audit.conftest import EarlyEnvironment, chikou, hourly, leaking_registry

Audited = Callable[..., Subject]


def test_shuffling_keeps_the_bars_and_leaves_no_drift_no_order_and_no_hole(holed: Candles) -> None:
    steep = dataclasses.replace(
        holed,
        **{
            name: getattr(holed, name) * np.exp(1e-3 * np.arange(len(holed)))
            for name in ("open", "high", "low", "close")
        },
    )
    other = shuffled(steep, np.random.default_rng(0))
    assert not check_candles(other).errors
    assert len(other.segments) == 1
    assert np.log(other.close[-1] / other.close[0]) == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(np.sort(other.volume), np.sort(steep.volume))
    ours, theirs = (np.log(one.close / one.open) for one in (other, steep))
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-9)
    assert abs(np.corrcoef(ours[1:], ours[:-1])[0, 1]) < 0.05


def test_the_signal_of_the_sample_market_is_gone(audited: Audited) -> None:
    """Its momentum is there to be learned before, and not behind the shuffle."""
    market = sample_market(20_000)
    other = shuffled(market, np.random.default_rng(1))

    def momentum(candles: Candles) -> float:
        log_close = np.log(candles.close)
        past = log_close[40:-40] - log_close[:-80]
        return float(np.corrcoef(past, log_close[80:] - log_close[40:-40])[0, 1])

    assert momentum(market) > 0.05
    assert abs(momentum(other)) < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_pipeline_earns_nothing_beyond_chance(audited: Audited, seed: int) -> None:
    check = shuffled_returns(audited(seed=seed))
    assert check.passed, check.findings


@pytest.mark.parametrize("feature", [chikou, hourly])
def test_a_feature_that_reads_ahead_earns_a_lot(audited: Audited, feature: object) -> None:
    registry = leaking_registry(planted=feature)  # type: ignore[arg-type]
    check = shuffled_returns(audited(features=("price", "planted"), registry=registry))
    (finding,) = check.findings
    assert "standard errors" in finding.detail


def test_a_decision_that_earns_the_bar_it_has_seen_earns_a_lot(audited: Audited) -> None:
    check = shuffled_returns(audited(pipeline=Pipeline(environment=EarlyEnvironment)))
    assert not check.passed
