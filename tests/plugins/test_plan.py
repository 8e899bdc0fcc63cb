"""Turning commands into runs: new ones, and what `--resume` takes up."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.errors import TrainingError, UsageError
from btc_ai.api.journal import Job
from btc_ai.api.settings import bucket_settings
from btc_ai.config import SAMPLE_SYMBOL, Config
from btc_ai.journal import SqliteJournal
from btc_ai.plugins.training.messages import SourceBody, StartBody
from btc_ai.plugins.training.plan import (
    check_options,
    new_run,
    next_step,
    of_real_candles,
    resume,
)


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "journal.sqlite3")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return _config(tmp_path)


def _config(base: Path, **values: Any) -> Config:
    (base / "Data").mkdir(exist_ok=True)
    (base / "Data" / "BTC-USDT_5m.parquet").touch()
    return Config.model_validate(values, context={"base": base})


def _model(config: Config, bucket: str, name: str) -> Path:
    """A finished model as the planner sees it."""
    folder = config.MODELS_DIR / bucket / name
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    (folder.parent / "latest").symlink_to(name)
    return folder


def test_the_configuration_gives_what_the_command_leaves_out(
    journal: SqliteJournal, config: Config
) -> None:
    job = new_run(journal, config, StartBody(), "call")
    assert [step.name for step in job.steps] == ["Scalping", "Short", "Medium", "Long"]
    assert {step.spec["settings"]["episodes"] for step in job.steps} == {20}
    assert job.spec["symbol"] == "BTC/USDT"
    assert job.parent_id == "call"
    assert len({step.spec["settings"]["seed"] for step in job.steps}) == 4


def test_a_buckets_seed_does_not_depend_on_its_place(config: Config) -> None:
    alone = bucket_settings(config, "Medium", 5, 10)["seed"]
    assert alone == bucket_settings(config, "Medium", 5, 99)["seed"]
    assert alone != bucket_settings(config, "Medium", 6, 10)["seed"]


def test_switched_off_progressive_training(journal: SqliteJournal, tmp_path: Path) -> None:
    config = _config(tmp_path, PROGRESSIVE_TRAINING={"ENABLED": False})
    with pytest.raises(UsageError, match=r"PROGRESSIVE_TRAINING\.ENABLED"):
        new_run(journal, config, StartBody(), "call")
    assert new_run(journal, config, StartBody(bucket="Long"), "call").steps[0].name == "Long"


@pytest.mark.parametrize(("options", "transferring"), [({}, True), ({"transfer": False}, False)])
def test_transfer_switches(
    journal: SqliteJournal, config: Config, options: dict[str, Any], transferring: bool
) -> None:
    assert new_run(journal, config, StartBody(**options), "c").spec["transfer"] is transferring


def test_transfer_is_off_where_the_configuration_says_so(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    config = _config(tmp_path, PROGRESSIVE_TRAINING={"TRANSFER_KNOWLEDGE": False})
    assert new_run(journal, config, StartBody(), "call").spec["transfer"] is False


def test_resume_takes_the_newest_unfinished_run(journal: SqliteJournal, config: Config) -> None:
    body = StartBody(resume=True)
    with pytest.raises(TrainingError, match="no unfinished run"):
        resume(journal, config, body, "call")
    older, newer = (new_run(journal, config, StartBody(), "call") for _ in range(2))
    journal.set_job(older.id, state="stopped")
    journal.set_job(newer.id, state="done")
    assert resume(journal, config, body, "call")[0].id == older.id


def test_resume_of_a_bucket_puts_its_unfinished_part_first(
    journal: SqliteJournal, config: Config
) -> None:
    job = new_run(journal, config, StartBody(), "call")
    journal.set_step(job.id, 0, state="done", result={})
    journal.set_job(job.id, state="failed")
    taken, _ = resume(journal, config, StartBody(resume=True, bucket="Medium"), "call")
    order = []
    while step := next_step(taken):
        order.append(step.name)
        taken = journal.set_step(taken.id, step.position, state="done", result={})
    assert order == ["Medium", "Short", "Long"]


def test_resume_of_a_finished_bucket_adds_to_the_unfinished_run(
    journal: SqliteJournal, config: Config
) -> None:
    model = _model(config, "Scalping", "old")
    job = new_run(journal, config, StartBody(), "call")
    journal.set_step(job.id, 0, state="done", result={})
    journal.set_job(job.id, state="stopped")
    body = StartBody(resume=True, bucket="Scalping", episodes=7)
    taken, note = resume(journal, config, body, "call")
    assert taken.id == job.id
    assert "then the rest" in note
    step = next_step(taken)
    assert step is not None
    assert step.position == 4
    assert step.spec["continue_from"] == str(model)
    assert step.spec["settings"]["episodes"] == 7


def test_resume_of_a_bucket_with_a_model_alone_makes_a_run(
    journal: SqliteJournal, config: Config
) -> None:
    _model(config, "Long", "old")
    job, _ = resume(journal, config, StartBody(resume=True, bucket="Long"), "call")
    assert [step.name for step in job.steps] == ["Long"]


def test_resume_does_not_go_back_behind_a_newer_model(
    journal: SqliteJournal, config: Config
) -> None:
    old = new_run(journal, config, StartBody(), "call")
    journal.set_job(old.id, state="stopped")
    model = _model(config, "Scalping", "new")
    os.utime(model / "model.json", (time.time() + 60,) * 2)
    body = StartBody(resume=True, bucket="Scalping")
    taken, note = resume(journal, config, body, "call")
    assert taken.id != old.id and [step.name for step in taken.steps] == ["Scalping"]
    assert taken.steps[0].spec["continue_from"] == str(model)
    assert f"`btc-ai continue {old.id}` takes up the older run" in note
    journal.set_job(taken.id, state="done")
    assert resume(journal, config, StartBody(resume=True, bucket="Short"), "c")[0].id == old.id


def test_models_of_real_candles_are_not_displaced_by_the_sample_markets(config: Config) -> None:
    folder = config.MODELS_DIR
    for bucket, symbol in (("Short", "BTC/USDT"), ("Long", SAMPLE_SYMBOL)):
        card = {"bucket": bucket, "symbol": symbol}
        (_model(config, bucket, "old") / "model.json").write_text(json.dumps(card))
    buckets = list(config.BUCKET_CONFIGS)
    assert of_real_candles(folder, "sample", buckets) == ["Short"]
    assert of_real_candles(folder, None, buckets) == []


def test_a_changed_configuration_is_refused_by_name(
    journal: SqliteJournal, config: Config, tmp_path: Path
) -> None:
    job = new_run(journal, config, StartBody(), "call")
    journal.set_step(job.id, 0, state="done", result={})
    journal.set_job(job.id, state="stopped")
    buckets = {name: one.model_dump() for name, one in config.BUCKET_CONFIGS.items()}
    buckets["Scalping"]["MAX_HORIZON"] = 50
    harmless = _config(tmp_path, BUCKET_CONFIGS=buckets, LOGGING={"LEVEL": "DEBUG"})
    assert resume(journal, harmless, StartBody(resume=True), "call")[0].id == job.id
    buckets["Long"]["MAX_HORIZON"] = 500
    harmful = _config(tmp_path, BUCKET_CONFIGS=buckets, GAMMA=0.9)
    with pytest.raises(TrainingError) as caught:
        resume(journal, harmful, StartBody(resume=True), "call")
    assert "Long, MAX_HORIZON: 576 in the run, 500 now" in str(caught.value)
    assert "Short, GAMMA: 0.99 in the run, 0.9 now" in str(caught.value)
    assert "Scalping" not in str(caught.value)


def _learners(job: Job) -> set[str]:
    return {step.spec["settings"]["learner"] for step in job.steps}


def test_the_learner_is_the_commands_or_the_configurations(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    config = _config(tmp_path, LEARNER="dqn")
    assert _learners(new_run(journal, config, StartBody(), "call")) == {"dqn"}
    assert _learners(new_run(journal, config, StartBody(learner="pqn"), "call")) == {"pqn"}


def test_a_resumed_run_keeps_its_learner(journal: SqliteJournal, config: Config) -> None:
    job = new_run(journal, config, StartBody(learner="pqn"), "call")
    journal.set_job(job.id, state="stopped")
    for body in (StartBody(resume=True), StartBody(resume=True, learner="pqn")):
        check_options(body)
        assert _learners(resume(journal, config, body, "call")[0]) == {"pqn"}
    with pytest.raises(TrainingError, match="Scalping, LEARNER: pqn in the run, dqn now"):
        resume(journal, config, StartBody(resume=True, learner="dqn"), "call")


def test_a_learner_changed_in_the_configuration_is_refused_until_the_runs_is_named(
    journal: SqliteJournal, config: Config, tmp_path: Path
) -> None:
    job = new_run(journal, config, StartBody(), "call")
    journal.set_job(job.id, state="stopped")
    changed = _config(tmp_path, LEARNER="dqn")
    with pytest.raises(TrainingError, match="Long, LEARNER: cfq in the run, dqn now"):
        resume(journal, changed, StartBody(resume=True), "call")
    taken, _ = resume(journal, changed, StartBody(resume=True, learner="cfq"), "call")
    assert taken.id == job.id


def test_a_finished_model_is_trained_further_by_its_learner_unless_another_is_asked_for(
    journal: SqliteJournal, config: Config
) -> None:
    model = _model(config, "Long", "old")
    job = new_run(journal, config, StartBody(bucket="Long", learner="pqn"), "call")
    journal.set_step(job.id, 0, state="done", result={"directory": str(model)})
    journal.set_job(job.id, state="done")
    again = StartBody(resume=True, bucket="Long")
    for body, learner in ((again, "pqn"), (again.model_copy(update={"learner": "dqn"}), "dqn")):
        further, _ = resume(journal, config, body, "call")
        assert _learners(further) == {learner}
        journal.set_job(further.id, state="done")


@pytest.mark.parametrize(
    "options",
    [
        {"sequence": ["Short"], "bucket": "Long"},
        {"resume": True, "seed": 1},
        {"resume": True, "market": "sample"},
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check_options(StartBody(**options))


def test_a_source_is_for_one_bucket_and_for_a_transfer(
    journal: SqliteJournal, config: Config
) -> None:
    source = SourceBody(model="/m/A", kinds=["weights"])
    job = new_run(journal, config, StartBody(bucket="Short", source=source), "c")
    assert job.steps[0].spec["transfer_from"] == {"model": "/m/A", "kinds": ["weights"]}
    assert job.spec["verify"] == "twin"
    for wrong in (StartBody(source=source), StartBody(bucket="A", source=source, transfer=False)):
        with pytest.raises(UsageError, match="a source is for one bucket"):
            new_run(journal, config, wrong, "c")
    with pytest.raises(UsageError, match="leave out a source"):
        check_options(StartBody(resume=True, bucket="Short", source=source))
