"""The verdict follows the rule, and nothing but the milestones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.transfer.milestones import Milestone
from btc_ai.learning.transfer.verdict import compare, difference_interval

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
EPISODES = (0, 5, 10, 25, 50, 100)
NOISE = np.random.default_rng(1).standard_normal((len(SHARES), 40))
ERROR = 1 / np.sqrt(40)  # about that of the noise's mean, which is taken out

levels = st.lists(st.sampled_from([-3.0, -1.5, -0.5, 0.0, 0.5, 3.0]), min_size=6, max_size=6)


def arm(*values: float, noise: float = 0.0) -> list[Milestone]:
    """Milestones of these values; `noise` is the spread of the blocks around each."""
    found = []
    for share, episode, value, each in zip(SHARES, EPISODES, values, NOISE, strict=False):
        blocks = value + noise * (each - each.mean()) / each.std(ddof=1)
        found.append(Milestone(share, episode, float(blocks.mean()), blocks))
    return found


def verdict_on(differences: list[float]) -> tuple[str | None, float | None]:
    """Differences in standard errors."""
    ours = arm(*(each * ERROR for each in differences), noise=1.0)
    found = compare(ours, arm(*[0.0] * len(differences)))
    return found.decision, found.share


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([-9, 0, 0, 0, 0, 0], ("kept", 1.0)),
        ([-9, -9, 0, 0, 0, 0], ("kept", 1.0)),
        ([0, -2, 0, -2, 0, 0], ("kept", 1.0)),
        ([0, -0.9, -0.9, -0.9, -0.9, -0.9], ("kept", 1.0)),
        ([3, 3, 3, 3, 3, -1.1], ("rolled_back", 1.0)),
        ([3, -1.1, -1.1, 3, 3, 3], ("rolled_back", 0.1)),
        ([3, 3, -1.1, -1.1, 3, 3], ("rolled_back", 0.25)),
        ([3, 3, -1.1], (None, None)),
        ([], (None, None)),
    ],
)
def test_the_rule(differences: list[float], expected: tuple[str | None, float | None]) -> None:
    assert verdict_on(differences) == expected


@settings(deadline=None, max_examples=30)
@given(levels)
def test_the_rule_is_that_of_a_naive_reading(differences: list[float]) -> None:
    below = [each < -1 for each in differences]
    early = [i for i in range(2, 6) if below[i] and below[i - 1] and i - 1 > 0]
    expected = "rolled_back" if early or below[5] else "kept"
    assert verdict_on(differences)[0] == expected


@settings(deadline=None, max_examples=30)
@given(levels)
def test_a_decision_is_the_same_whenever_it_is_asked_for(differences: list[float]) -> None:
    """Whichever arm is ahead: what is decided stays so, to the last bit."""
    ours, scratch = arm(*(each * ERROR for each in differences), noise=1.0), arm(*[0.0] * 6)
    final = compare(ours, scratch)
    for done in range(7):
        assert compare(ours[:done], scratch) == compare(ours, scratch[:done])
        early = compare(ours[:done], scratch)
        assert early == final if early.decision else early.share is None


@settings(deadline=None, max_examples=30)
@given(levels, st.floats(-100, 100))
def test_what_the_market_did_to_both_changes_nothing(levels: list[float], shift: float) -> None:
    ours, theirs = arm(*levels, noise=1.0), arm(*[0.0] * 6)
    common = 50 * NOISE[0] + shift

    def moved(milestones: list[Milestone]) -> list[Milestone]:
        return [Milestone(m.share, m.episode, m.value, m.blocks + common) for m in milestones]

    plain, both = compare(ours, theirs), compare(moved(ours), moved(theirs))
    assert both.decision == plain.decision
    for left, right in zip(plain.comparisons, both.comparisons, strict=True):
        assert left.low is not None and right.low is not None
        assert left.difference == pytest.approx(right.difference, abs=1e-9)
        assert left.low == pytest.approx(right.low, abs=1e-9)


def test_the_same_arm_twice_is_kept_at_a_difference_of_nothing() -> None:
    same = arm(0, 1, 2, 3, 4, 5, noise=1.0)
    found = compare(same, same)
    assert (found.decision, found.transfer_ratio) == ("kept", 0)
    assert found.impact is not None
    assert (found.impact.difference, found.impact.low, found.impact.high) == (0, 0, 0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator, covered = np.random.default_rng(2), 0
    for _ in range(300):
        interval = difference_interval(generator.standard_normal(20) + 0.3, generator)
        assert interval is not None
        covered += interval.low <= 0.3 <= interval.high
    assert 0.92 <= covered / 300 <= 0.99


def test_taylor_and_stones_measures() -> None:
    found = compare(arm(2, 4, 5, 6, 6, 6), arm(0, 1, 2, 3, 4, 5))
    assert found.jumpstart is not None and found.asymptote is not None
    assert (found.jumpstart.difference, found.asymptote.difference) == (2, 1)
    assert found.time_to_threshold == {"transferred": 10, "scratch": 100}
    scratch = np.trapezoid([0, 1, 2, 3, 4, 5], EPISODES)
    assert found.transfer_ratio == pytest.approx(
        np.trapezoid([2, 4, 5, 6, 6, 6], EPISODES) / scratch - 1
    )
    assert compare(arm(1, 1), arm(-1, -1)).transfer_ratio is None
    assert compare(arm(0, 0, 0, 0, 0, 1), arm(0, 0, 0, 0, 0, 2)).time_to_threshold == {
        "transferred": None,
        "scratch": 100,
    }


def test_with_one_block_there_is_no_interval_and_the_difference_decides() -> None:
    def single(value: float) -> list[Milestone]:
        return [
            Milestone(s, e, value, np.array([value])) for s, e in zip(SHARES, EPISODES, strict=True)
        ]

    worse = compare(single(-0.1), single(0.0))
    assert (worse.decision, worse.share) == ("rolled_back", 0.1)
    assert worse.impact is not None and worse.impact.low is None
    assert compare(single(0.0), single(0.0)).decision == "kept"


def test_runs_of_two_budgets_are_not_compared() -> None:
    with pytest.raises(ValueError, match="two budgets"):
        compare([Milestone(0.5, 5, 0, np.zeros(2))], [Milestone(0.5, 6, 0, np.zeros(2))])
