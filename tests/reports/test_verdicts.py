"""What is said of numbers: no more than they say."""

from typing import Any

import pytest

from btc_ai.history.answers import BucketRow
from btc_ai.reports.contents import Policy
from btc_ai.reports.verdicts import bucket_verdict, transfer_verdict


def policy(net: float, low: float | None, high: float | None, name: str = "model") -> Policy:
    return Policy(name, net, low, high, 0.1, 1.0, 0.1, 0.5, 1.2, 10)


def row(**values: Any) -> BucketRow:
    plain: dict[str, Any] = {
        "run": "r", "position": 0, "bucket": "Short", "state": "done", "learner": "cfq",
        "episodes": 50, "episode": 50, "eta_s": None, "arm": "main", "started": 1.0, "ended": 2.0,
        "directory": None, "degraded": False, "detail": {"outcome": {"validation": {}}},
    }  # fmt: skip
    return BucketRow(**{**plain, **values})


@pytest.mark.parametrize(
    ("net", "low", "high", "tone", "said"),
    [
        (0.5, 0.1, 0.9, "good", "Earned +0.500 bps a bar"),
        (-0.5, -0.9, -0.1, "bad", "Lost −0.500 bps a bar"),
        (0.5, -0.1, 0.9, "plain", "cannot be told from staying flat"),
        (0.5, None, None, "plain", "how sure that is, is not known"),
    ],
)
def test_a_result_is_called_good_or_bad_only_outside_its_interval(
    net: float, low: float | None, high: float | None, tone: str, said: str
) -> None:
    found = bucket_verdict(row(), "done", [policy(net, low, high)], None)
    assert found.tone == tone and said in found.text


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ([0.1, 0.3], "more than buying and holding (+0.200)"),
        ([-0.3, -0.1], "less than buying"),
        ([-0.1, 0.1], "not to be told from buying"),
    ],
)
def test_it_is_compared_with_buying_and_holding_by_the_paired_difference(
    over: list[float], said: str
) -> None:
    policies = [policy(0.5, 0.1, 0.9), policy(0.2, None, None, "buy_and_hold")]
    assert said in bucket_verdict(row(), "done", policies, over).text


def test_abstaining_and_not_trading_are_no_results() -> None:
    abstains = {"outcome": {"validation": {"abstains": True, "t_value": -0.4}}}
    found = bucket_verdict(row(detail=abstains), "done", [policy(0.0, 0.0, 0.0)], None)
    assert found.text.startswith("Abstains") and "(t −0.4 against staying flat)" in found.text
    idle = Policy("model", 0.0, 0.0, 0.0, 0.0, None, 0.0, None, None, 0)
    assert "Never traded" in bucket_verdict(row(), "done", [idle], None).text


@pytest.mark.parametrize(
    ("state", "run_state", "said"),
    [
        ("waiting", "running", "Has not begun."),
        ("running", "running", "In training: 7 of 50 episodes."),
        ("stopped", "failed", "Unfinished: 7 of 50 episodes."),
    ],
)
def test_what_has_not_ended_has_no_result(state: str, run_state: str, said: str) -> None:
    under_way = row(state=state, episode=7, detail={"outcome": None})
    assert bucket_verdict(under_way, run_state, [], None).text == said


def test_a_transfer_that_helped_one_that_did_not_and_one_that_was_not_measured() -> None:
    plan = {"source": "Scalping", "kinds": ["weights"], "reason": ""}
    impact = {"difference": 0.2, "low": 0.1, "high": 0.3}
    kept = transfer_verdict(plan, {"decision": "kept", "reason": "why", "impact": impact}, None)
    assert kept.tone == "good" and "+0.200 bps a bar against scratch" in kept.text
    wide = {**impact, "low": -0.1}
    unsure = transfer_verdict(plan, {"decision": "kept", "reason": "why", "impact": wide}, None)
    assert unsure.tone == "plain"
    back = transfer_verdict(plan, {"decision": "rolled_back", "reason": "why", "impact": {}}, "x")
    assert back.tone == "bad" and back.text.startswith("Rolled back")
    assert (
        "is not known: died"
        in transfer_verdict(plan, {"decision": None, "error": "died"}, None).text
    )
    nothing: dict[str, Any] = {"source": None, "kinds": [], "reason": "no model"}
    assert transfer_verdict(nothing, None, None).text == "Nothing was taken over: no model."
