import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic import BaseModel

from btc_ai.api.service import Body, Call, Command
from btc_ai.daemon import tasks as module
from btc_ai.daemon.dispatch import CommandError, Dispatcher
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import PluginError
from tests.daemon.conftest import Records


class Empty(BaseModel):
    pass


async def answer(body: Empty, call: Call) -> Body:
    return {"source": call.source}


def command(kind: str) -> Command:
    return Command(kind, Empty, answer)


async def fail() -> None:
    raise ValueError("a bug")


async def leave() -> None:
    raise SystemExit(2)


async def end() -> None:
    return None


async def cancelled_within() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("work", "forever", "expected"),
    [
        (fail, False, "task failed"),
        (leave, False, "task failed"),
        (end, True, "task finished unexpectedly"),
        (cancelled_within, False, "task was cancelled from within"),
        (end, False, None),
    ],
)
def test_guard(work: Any, forever: bool, expected: str | None) -> None:
    async def run() -> Records:
        log = Records()
        tasks = Tasks(log)
        tasks.spawn("one", work(), forever=forever)
        tasks.spawn("other", asyncio.sleep(60))
        await asyncio.sleep(0.01)
        assert len(tasks) == 1  # the other goes on
        await tasks.cancel()
        assert len(tasks) == 0
        return log

    log = asyncio.run(run())
    assert log.of("error") == ([expected] if expected else [])
    assert all(values["task"] == "one" for _, _, values in log.kept)


def test_task_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_LIMIT_S", 0.05)

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    async def run() -> Records:
        log = Records()
        tasks = Tasks(log)
        tasks.spawn("stubborn", stubborn())
        await asyncio.sleep(0)
        await tasks.cancel()
        return log

    assert asyncio.run(run()).of("error") == ["task does not end"]


def result(work: Coroutine[Any, Any, Body]) -> Body:
    return asyncio.run(work)


CALL = Call("1", "test")


def test_kind_offered_twice_adds_nothing() -> None:
    table = Dispatcher(Records())
    table.add([command("a.one")])
    for rows in ([command("b.new"), command("a.one")], [command("b.new"), command("b.new")]):
        with pytest.raises(PluginError, match="offered twice"):
            table.add(rows)
    assert table.kinds == ["a.one"]
    assert result(table.answer("a.one", {}, CALL)) == {"source": "test"}


def test_every_kind_of_the_table_and_no_other() -> None:
    table = Dispatcher(Records())
    table.add([command("a.one"), command("a.two")])
    for kind in table.kinds:
        assert result(table.answer(kind, {}, CALL))
    for kind in ("a", "a.", "a.one.", "A.one", "answer", "__init__", "add", "_table", ""):
        with pytest.raises(Exception, match="is not a command") as caught:
            result(table.answer(kind, {}, CALL))
        assert getattr(caught.value, "code", None) == "unknown_kind"


def test_a_command_waits_for_its_plugin() -> None:
    async def run() -> tuple[object, bool]:
        table, there = Dispatcher(Records()), asyncio.Event()
        table.expect("a", there, lambda: "")
        asked = asyncio.create_task(table.answer("a.one", {}, CALL))
        await asyncio.sleep(0.01)
        waited = not asked.done()
        table.add([command("a.one")])
        there.set()
        return await asked, waited

    answer, waited = asyncio.run(run())
    assert answer and waited


def test_a_command_that_does_not_come_says_why() -> None:
    table, there = Dispatcher(Records()), asyncio.Event()
    there.set()
    table.expect("a", there, lambda: "the plugin a is broken")
    with pytest.raises(PluginError, match=r"a\.one is not available: the plugin a is broken"):
        result(table.answer("a.one", {}, CALL))
    table.expect("a", there, lambda: "")
    with pytest.raises(CommandError, match="is not a command"):
        result(table.answer("a.one", {}, CALL))


def test_a_command_that_was_removed_is_none() -> None:
    table = Dispatcher(Records())
    table.add(rows := [command("a.one")])
    table.remove(rows)
    with pytest.raises(CommandError, match="is not a command"):
        result(table.answer("a.one", {}, CALL))
