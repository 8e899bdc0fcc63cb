import dataclasses

import pytest

from btc_ai.learning.evaluation.bootstrap import Interval, Intervals
from btc_ai.learning.evaluation.results import Evaluation
from btc_ai.learning.evaluation.selection import Selection
from btc_ai.learning.evaluation.verdict import Seen, judge

EVALUATION = Evaluation(10_000, 6, 0.2, 0.3, 2.0, 0.1, 0.6, 1.4, 0.01, 50)
ABOVE = Interval(0.1, 0.3)
INTERVALS = Intervals(ABOVE, ABOVE, ABOVE, ABOVE)
SELECTION = Selection(9, 1, 1.2, 0.96, None, 5, 0.1, None)


def with_net(low: float, high: float) -> Intervals:
    return dataclasses.replace(INTERVALS, net_bps_per_bar=Interval(low, high))


def chosen(**values: float | str | None) -> Selection:
    return dataclasses.replace(SELECTION, **values)  # type: ignore[arg-type]


def test_all_conditions_met_is_an_edge_and_says_what_it_rests_on() -> None:
    passed, text = judge(EVALUATION, INTERVALS, SELECTION, Seen(), 34.7)
    assert passed
    assert text.startswith("An edge, by all conditions: +0.2000 bps")
    assert "DSR 0.960 over 9 trials, PBO 0.10" in text


@pytest.mark.parametrize(
    ("intervals", "selection", "seen", "blocks", "reason"),
    [
        (with_net(-0.1, 0.3), SELECTION, Seen(), 35, "the interval includes 0"),
        (with_net(0, 0.3), SELECTION, Seen(), 35, "the interval includes 0"),
        (with_net(-0.3, -0.1), SELECTION, Seen(), 35, "it loses"),
        (INTERVALS, chosen(deflated_sharpe=0.95), Seen(), 35, "DSR 0.950 is not above 0.95"),
        (
            INTERVALS,
            chosen(deflated_sharpe=None, deflated_sharpe_reason="why"),
            Seen(),
            35,
            "no deflated Sharpe ratio (why)",
        ),
        (INTERVALS, chosen(overfitting=0.2), Seen(), 35, "PBO 0.20 is not below 0.2"),
        (
            INTERVALS,
            chosen(overfitting=None, overfitting_reason="why"),
            Seen(),
            35,
            "overfitting is not known (why)",
        ),
        (INTERVALS, SELECTION, Seen(trained=7), 35, "trained on 7 and chosen on 0"),
        (INTERVALS, SELECTION, Seen(chosen=1), 35, "trained on 0 and chosen on 1"),
        (INTERVALS, SELECTION, Seen(), 9.9, "too short"),
    ],
)
def test_one_condition_that_fails_is_named_and_the_word_is_not_used(
    intervals: Intervals, selection: Selection, seen: Seen, blocks: float, reason: str
) -> None:
    passed, text = judge(EVALUATION, intervals, selection, seen, blocks)
    assert not passed
    assert reason in text
    assert text.count(";") == 0
    assert "edge" not in text.lower()


def test_everything_that_is_missing_is_said() -> None:
    poor = chosen(deflated_sharpe=0.1, overfitting=0.6)
    _, text = judge(EVALUATION, with_net(-1, 1), poor, Seen(5, 5), 3)
    assert text.count(";") == 4


def test_a_model_that_never_traded_is_said_to_be_flat() -> None:
    flat = dataclasses.replace(EVALUATION, trades=0, net_bps_per_bar=0.0)
    passed, text = judge(flat, with_net(0, 0), SELECTION, Seen(), 35)
    assert not passed
    assert text.startswith("The model never traded")
