"""Turning commands into the steps of an evaluation."""

from pathlib import Path

import pytest

from btc_ai.api.errors import UsageError
from btc_ai.config import Config
from btc_ai.learning.markets.registry import known_markets
from btc_ai.plugins.evaluation import plan
from btc_ai.plugins.evaluation.messages import AuditBody, EvaluateBody, PipelineBody


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({}, context={"base": tmp_path})


def test_the_planner_knows_every_known_market() -> None:
    assert set(plan.KNOWN_MARKETS) == set(known_markets())


def test_the_pipeline_proves_each_market_at_each_bucket_and_then_audits(config: Config) -> None:
    body = PipelineBody(sequence=["Short", "Long"], markets=["G2"], seeds=3)
    steps = plan.pipeline_steps(config, body)
    assert [name for name, _ in steps] == ["G2 Short", "G2 Long", "audit Short", "audit Long"]
    proved = steps[0][1]["arguments"]["settings"]
    assert len({one["seed"] for one in proved}) == 3
    assert {one["episodes"] for one in proved} == {20}


def test_without_candles_the_sample_market_is_audited(config: Config) -> None:
    (_, step), *_ = plan.pipeline_steps(config, PipelineBody(markets=["G1"]))[-4:]
    assert step["arguments"]["market"] == "sample"


def test_every_bucket_is_audited_unless_one_is_named(config: Config) -> None:
    assert [name for name, _ in plan.audit_steps(config, AuditBody())] == [
        "Scalping", "Short", "Medium", "Long",
    ]  # fmt: skip
    assert [name for name, _ in plan.audit_steps(config, AuditBody(bucket="Long"))] == ["Long"]


def test_folds_take_the_configured_episodes(config: Config) -> None:
    ((name, step),) = plan.evaluate_steps(config, EvaluateBody(bucket="Short", folds=3))
    assert (name, step["arguments"]["folds"]) == ("Short", 3)
    assert step["arguments"]["settings"]["episodes"] == 20


@pytest.mark.parametrize(
    "options",
    [
        {"folds": 3, "start": "2023-01-01"},
        {"episodes": 3},
        {"seed": 1},
        {"bucket": ""},
    ],
)
def test_options_that_do_not_go_together(config: Config, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        plan.evaluate_steps(config, EvaluateBody.model_validate(options))
