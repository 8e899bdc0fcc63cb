import asyncio
import gc
import inspect

import pytest

from btc_ai.api import testing
from btc_ai.api.errors import BtcAiError, PluginError
from btc_ai.api.journal import Journal
from btc_ai.api.messages import Event
from btc_ai.api.service import Body, Context, Worker
from btc_ai.api.step import StepContext, StepStoppedError
from btc_ai.api.testing import FakeContext, FakeJournal, FakeStep, FakeWorker
from btc_ai.journal import SqliteJournal


class Said(Event):
    kind = "mine.said"


class Foreign(Event):
    kind = "training.run"


def test_the_fakes_keep_the_contract() -> None:
    pairs: list[tuple[type, type]] = [
        (Context, FakeContext), (Journal, FakeJournal), (Worker, FakeWorker),
        (StepContext, FakeStep),
    ]  # fmt: skip
    for protocol, made in pairs:
        for name, wanted in inspect.getmembers(protocol, inspect.isfunction):
            if not name.startswith("_"):
                offered = inspect.signature(getattr(made, name)).parameters
                assert list(offered) == list(inspect.signature(wanted).parameters), name


def test_publishes_and_calls_as_strictly_as_the_daemon() -> None:
    async def run() -> None:
        context = FakeContext("mine", may_send=("training.*",))
        context.publish(Said())
        with pytest.raises(PluginError, match="another's"):
            context.publish(Foreign())
        context.answers["training.runs"] = lambda body: {"runs": [body]}
        assert await context.call("training.runs", {"limit": 1}) == {"runs": [{"limit": 1}]}
        with pytest.raises(PluginError, match="cannot send"):
            await context.call("transfer.list", {})
        with pytest.raises(BtcAiError, match="not a command"):
            await context.call("training.stop", {})
        assert context.published == [Said()]
        assert context.sent[0] == ("training.runs", {"limit": 1})

    asyncio.run(run())


def test_publishes_what_is_named_and_permitted() -> None:
    context = FakeContext("mine", may_publish=("training.*",), events=[Foreign])
    context.publish(Foreign())
    with pytest.raises(PluginError, match="btc_ai_messages lacks"):
        context.publish(Said())
    assert context.published == [Foreign()]


def test_each_context_has_folders_of_its_own_and_they_go_with_it() -> None:
    one, other = FakeContext("mine"), FakeContext("mine")
    folders = [each.config.MODELS_DIR for each in (one, other)]
    assert folders[0] != folders[1]
    folders[0].mkdir(parents=True)
    del one, other
    gc.collect()
    assert not folders[0].exists()


def test_a_task_that_fails_is_not_passed_over() -> None:
    async def run() -> None:
        async def fail() -> None:
            raise ZeroDivisionError

        context = FakeContext("mine")
        context.spawn("fail", fail())
        await testing.settle()
        await context.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())


def test_a_worker_runs_steps_and_stops() -> None:
    async def run() -> list[Body]:
        said: list[Body] = []
        worker = FakeContext("mine").worker("w")
        await worker.run("tests.daemon.steps:count", {"n": 2}, said.append)
        await worker.stop()
        with pytest.raises(StepStoppedError):
            await worker.run("tests.daemon.steps:count", {"n": 2}, said.append)
        return said

    assert asyncio.run(run()) == [{"number": 0}, {"number": 1}]


def test_the_journal_does_as_the_real_one(tmp_path: object) -> None:
    def work(journal: Journal) -> list[object]:
        job = journal.add("kind", {"a": 1}, [("one", {})], "parent").id
        journal.add_step(job, "two", {"b": 2})
        journal.set_step(job, 0, state="running")
        journal.set_step(job, 0, state="done", result={"c": 3})
        journal.set_job(job, state="failed", error="why")
        read = journal.jobs("kind")[0]
        return [
            read.state, read.error, read.spec, read.parent_id, len(journal.jobs("other")),
            [(s.position, s.name, s.state, s.spec, s.result, bool(s.started), bool(s.ended))
             for s in read.steps],
        ]  # fmt: skip

    real = SqliteJournal(tmp_path / "journal.sqlite3")  # type: ignore[operator]
    try:
        assert work(FakeJournal()) == work(real)
    finally:
        real.close()
