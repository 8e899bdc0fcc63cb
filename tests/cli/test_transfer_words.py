"""Transfers in words."""

import io
from typing import Any

import pytest
from rich.console import Console

from btc_ai.cli.bars import BarView
from btc_ai.cli.transfer import _decision
from btc_ai.cli.transfer_words import joined, lineage_lines, news, transfer_words, verdict_words
from btc_ai.cli.views import LineView, View

IMPACT = {"difference": -0.25, "low": -0.5, "high": -0.125}
PLAN = {"kinds": ["weights", "horizons"], "source": "A", "matched": ["price"], "new": ["macd"]}
REPORT = {"kinds": ["horizons"], "reason": "no room"}


def step(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "position": 1, "bucket": "B", "state": "running", "transfer": PLAN, "verdict": None,
        "rolled_back": None, "continued_from": None, "outcome": None, "metrics": {}, "episode": 0,
        "episodes": 4,
    }  # fmt: skip
    return plain | changes


def verdict(decision: str | None) -> dict[str, Any]:
    return {"decision": decision, "impact": IMPACT, "reason": "because"}


def test_lists_are_joined_as_a_person_does() -> None:
    assert [joined(list(words)) for words in ("", "a", "ab", "abc")] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_what_is_carried_is_said_while_it_runs() -> None:
    assert transfer_words(step()) == " (weights and horizons from A: 1 features matched, 1 new)"
    assert transfer_words(step(state="done")) == ""
    none = {"kinds": [], "reason": "no feature in common"}
    assert transfer_words(step(transfer=none)) == " (no transfer: no feature in common)"


@pytest.mark.parametrize("view_of", [lambda c: LineView(c, quiet=False), BarView])
def test_a_view_tells_each_piece_of_news_once(view_of: Any) -> None:
    out = io.StringIO()
    view: View = view_of(Console(file=out, width=160, highlight=False))
    less = step(transfer={**PLAN, "report": REPORT})
    back = step(rolled_back="transfer rolled back: because", transfer={**PLAN, "report": REPORT})
    for each in (step(), less, back, back):
        view.run({"run": "r", "state": "running", "steps": [each]})
    view.close()
    text = out.getvalue()
    assert text.count("B: transfer from A carries horizons: no room") == 1
    said = "B: transfer rolled back: because; goes on with the run from scratch"
    assert text.count(said) == 1


def test_a_verdict_names_the_difference_and_its_interval() -> None:
    assert verdict_words(verdict("rolled_back")) == (
        "transfer rolled back: -0.2500 bps a bar against scratch (95 %: -0.5000 … -0.1250); because"
    )
    few = {**verdict("kept"), "impact": {**IMPACT, "low": None, "high": None}}
    assert "too few blocks" in verdict_words(few)
    assert verdict_words({"decision": None, "error": "not measured"}) == "transfer not measured"
    assert news(step(verdict=verdict("kept")))["verdict"].startswith("transfer kept: ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "weights and horizons from A)"),
        ({"verdict": verdict("kept")}, "weights and horizons from A, kept)"),
        ({"verdict": verdict("rolled_back")}, "the transfer from A was rolled back)"),
        ({"transfer": None}, "(from scratch)"),
        ({"transfer": None, "continued_from": "/m/B/old"}, "further from /m/B/old"),
    ],
)
def test_lineage_says_where_each_model_comes_from(changes: dict[str, Any], says: str) -> None:
    first = step(bucket="A", transfer=None, outcome={"weights_sha256": "0123456789abcdef"})
    outcome = {"weights_sha256": "b123456789abcdef"}
    lines = lineage_lines({"steps": [first, step(outcome=outcome, **changes)]})
    assert lines[0] == "A 0123456789ab  (from scratch)"
    assert lines[1].startswith("B b123456789ab  (")
    assert says in lines[1]


def test_lineage_goes_back_across_runs_and_is_indented_by_ancestry() -> None:
    def one(run: str | None, bucket: str) -> dict[str, Any]:
        return {"run": run, "bucket": bucket, "weights_sha256": bucket.lower() * 64}

    old = one("r0", "A")
    done = {**one(None, "B"), "ancestors": [old]}
    plan = {**PLAN, "source": "B", "weights_sha256": "b" * 64}
    steps = [
        step(outcome=done),
        step(position=2, bucket="C", transfer=plan),
        step(position=3, bucket="D", transfer=None, outcome={**one(None, "D"), "ancestors": []}),
    ]
    assert lineage_lines({"steps": steps}) == [
        "A aaaaaaaaaaaa  (run r0)",
        "└─ B bbbbbbbbbbbb  (weights and horizons from A)",
        "   └─ C running  (weights and horizons from B)",
        "D dddddddddddd  (from scratch)",
    ]


def test_where_both_arms_failed_nothing_goes_on() -> None:
    failed = news(step(state="failed", rolled_back="transfer rolled back: because"))
    assert failed["rolled_back"].endswith("the run from scratch has not ended")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("running", "in training"),
        ("done", "not measured"),
        ("failed", "failed"),
        (None, "not measured"),
    ],
)
def test_a_transfer_without_a_verdict_is_as_its_step_is(state: str | None, says: str) -> None:
    assert _decision({"kinds": ["weights"], "verdict": None, "state": state}) == says


def test_what_is_said_of_the_twin_is_news_while_it_trains() -> None:
    plan = {**PLAN, "said": {"waiting": "waiting for the twin"}}
    assert news(step(transfer=plan)) == {"waiting": "waiting for the twin"}
    assert news(step(transfer=plan, state="done")) == {}


def test_a_bucket_that_keeps_its_model_is_said_to() -> None:
    said = news(step(state="done", transfer={**PLAN, "untouched": True}, directory="/m/B/run"))
    assert said == {"untouched": "B keeps the model it had; the one trained now is in /m/B/run"}
