"""Turning a command into a study."""

from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.errors import DataError, UsageError
from btc_ai.config import Config
from btc_ai.plugins.study import plan
from btc_ai.plugins.study.messages import TransferStudyBody
from tests.api.conftest import Site, site  # noqa: F401  # the fixture


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({}, context={"base": tmp_path})


def planned(config: Config, **options: Any) -> dict[str, Any]:
    return plan.plan_study(config, TransferStudyBody(market="sample", **options))


def test_every_seed_trains_the_same_buckets_with_seeds_of_their_own(config: Config) -> None:
    found = planned(config, seeds=3, sequence=["Short", "Long"], episodes=5)
    assert [[one["bucket"] for one in row] for row in found["settings"]] == [["Short", "Long"]] * 3
    assert len({one["seed"] for row in found["settings"] for one in row}) == 6
    assert {one["episodes"] for row in found["settings"] for one in row} == {5}
    assert not any(one["use_gpu"] for row in found["settings"] for one in row)
    assert plan.runs(found) == 3 * (1 + 3)


def test_more_seeds_are_those_and_others(config: Config) -> None:
    few, many = (planned(config, seeds=seeds)["settings"] for seeds in (2, 4))
    assert many[:2] == few


def test_what_is_carried_is_configured_unless_it_is_named(tmp_path: Path) -> None:
    switches = {"KNOWLEDGE_TRANSFER": {"TRANSFER_FEATURES": False}}
    config = Config.model_validate(switches, context={"base": tmp_path})
    assert planned(config)["kinds"] == ["weights", "horizons"]
    assert planned(config, kinds=["features"])["kinds"] == ["features"]
    off = Config.model_validate(
        {"KNOWLEDGE_TRANSFER": {"ENABLED": False}}, context={"base": tmp_path}
    )
    with pytest.raises(UsageError, match="--kind weights"):
        planned(off)


def test_every_run_has_the_learner_that_was_asked_for(config: Config) -> None:
    found = planned(config, learner="pqn", kinds=["horizons"])
    assert {one["learner"] for row in found["settings"] for one in row} == {"pqn"}
    assert found["kinds"] == ["horizons"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"executor": "proces"}, "did you mean 'process'"),
        ({"executor": "inline", "workers": 2}, "one task at a time"),
        ({"executor": "process", "address": "a:1"}, "--address is of executors on a cluster"),
        ({"sequence": ["Short"]}, "two buckets or more"),
        ({"sequence": ["Short", "Short"]}, "names a bucket twice"),
        ({"sequence": ["Short", "Lng"]}, "did you mean 'Long'"),
        ({"episodes": 10**6}, "MAX_EPISODES"),
    ],
)
def test_bad_input(config: Config, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        planned(config, **options)


def test_an_executor_that_is_a_package_of_its_own_says_what_to_install(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "known_executors", lambda: ("inline", "process"))
    monkeypatch.setattr(plan, "discover", list)
    with pytest.raises(UsageError, match="pip install btc-ai-ray"):
        planned(config, executor="ray")


def test_an_executor_of_a_plugin_is_known_by_its_manifest(config: Config, site: Site) -> None:  # noqa: F811
    site.install("grid", "raise RuntimeError", manifest={"executors": ["grid"]})
    assert planned(config, executor="grid", address="here:1")["executor"] == "grid"
    site.install("old", manifest={"executors": ["old"], "api": "<1"})
    with pytest.raises(UsageError, match="cannot be used"):
        planned(config, executor="old")


def test_without_candles_there_is_no_study(config: Config) -> None:
    with pytest.raises(DataError, match="--market sample"):
        plan.plan_study(config, TransferStudyBody())
