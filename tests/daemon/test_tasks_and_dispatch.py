import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic import BaseModel

from btc_ai.api.service import Body, Call, Command, Role
from btc_ai.bus.codec import Envelope
from btc_ai.bus.commands import Peer
from btc_ai.daemon import dispatch
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


class Door:
    """The replies that a dispatcher sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Body]] = []

    async def reply(self, peer: Peer, parent_id: str | None, kind: str, body: Body) -> None:
        self.sent.append((kind, body))


def sent(table: Dispatcher, *commands: tuple[Envelope, Peer]) -> list[str]:
    """The outcome of each command: `result`, or an error's code."""

    async def run() -> list[str]:
        door: Any = Door()
        for envelope, peer in commands:
            await table.handle(door, envelope, peer)
            while len(table.tasks):
                await asyncio.sleep(0)
        return [str(body.get("code", kind)) for kind, body in door.sent]

    return asyncio.run(run())


def peer(role: Role | None) -> Peer:
    return Peer(b"x", "key ann from 10.0.0.7", role, None)


def both() -> tuple[Dispatcher, Records]:
    audit = Records()
    table = Dispatcher(Records(), audit=audit)
    table.add([command("a.change"), Command("a.look", Empty, answer, role="viewer")])
    return table, audit


@pytest.mark.parametrize(
    ("kind", "role", "outcome", "level"),
    [
        ("a.look", "viewer", "result", None),
        ("a.look", "operator", "result", None),
        ("a.look", None, "forbidden", "warning"),
        ("a.change", "viewer", "forbidden", "warning"),
        ("a.change", "operator", "result", "info"),
        ("a.change", None, "forbidden", "warning"),
        ("a.nothing", "viewer", "unknown_kind", None),
    ],
)
def test_roles_and_the_audit(kind: str, role: Role | None, outcome: str, level: str | None) -> None:
    table, audit = both()
    body = {"run": "x" * 999, "token": "abcd", "parts": [1], "nothing": None, "share": 0.5}
    assert sent(table, (Envelope(kind, body, "cli"), peer(role))) == [outcome]
    assert [one[0] for one in audit.kept] == ([level] if level else [])
    for _, event, values in audit.kept:
        assert (event, values["kind"], values["who"]) == ("command", kind, peer(role).who)
        if role is not None:
            told = json.loads(values["arguments"])
            assert told == {"run": "x" * 100, "token": "***", "share": 0.5}


def test_a_command_that_comes_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "REMEMBERED", 3)
    table, _ = both()
    one, *others = [(Envelope("a.change", {}, "cli"), peer("operator")) for _ in range(5)]
    assert sent(table, one, one) == ["result", "replayed"]
    assert sent(table, others[0], others[1], one, others[2], one) == [
        "result", "result", "replayed", "result", "replayed",
    ]  # fmt: skip
    assert sent(table, *others[1:], one) == ["replayed", "replayed", "result", "result"]


def test_viewers_leave_room_for_operators() -> None:
    async def hang(body: Empty, call: Call) -> Body:
        await hung.wait()
        return {}

    async def run() -> None:
        door: Any = Door()
        table = Dispatcher(Records())
        table.add([Command("a.hang", Empty, hang, role="viewer"), command("a.change")])

        async def send(who: str, role: Role, kind: str) -> list[object]:
            await table.handle(door, Envelope(kind, {}, "cli"), Peer(b"x", who, role, None))
            await asyncio.sleep(0.01)
            taken, door.sent = [body.get("code", name) for name, body in door.sent], []
            return taken

        for viewer in range(4):
            for _ in range(32):
                assert await send(f"viewer {viewer}", "viewer", "a.hang") == []
            assert await send(f"viewer {viewer}", "viewer", "a.hang") == ["busy"]
        assert await send("viewer 9", "viewer", "a.hang") == ["busy"]
        assert await send("ann", "operator", "a.change") == ["result"]
        hung.set()
        while len(table.tasks):
            await asyncio.sleep(0)
        door.sent = []
        assert await send("viewer 0", "viewer", "a.hang") == ["result"]

    hung = asyncio.Event()
    asyncio.run(run())


def test_what_a_handler_raises_is_the_audits_outcome() -> None:
    async def refuse(body: Empty, call: Call) -> Body:
        raise PluginError("no")

    audit = Records()
    table = Dispatcher(Records(), audit=audit)
    table.add([Command("a.refuse", Empty, refuse)])
    assert sent(table, (Envelope("a.refuse", {}, "cli"), peer("operator"))) == ["plugin"]
    assert audit.kept[0][2]["outcome"] == "plugin"
