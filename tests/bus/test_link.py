import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from btc_ai.bus.client import RemoteError
from btc_ai.bus.codec import Envelope
from btc_ai.bus.link import ANSWERING, UNSENT, Link
from btc_ai.errors import PluginError, UsageError
from tests.daemon.conftest import Records

Body = dict[str, Any]


async def double(message: Envelope) -> Body:
    return {"value": 2 * message.body["value"]}


async def refuse(message: Envelope) -> Body:
    raise UsageError("not so")


async def fail(message: Envelope) -> Body:
    raise ZeroDivisionError


async def unsendable(message: Envelope) -> Body:
    return {"value": float("nan")}


async def never(message: Envelope) -> Body:
    await asyncio.Event().wait()
    return {}


REQUESTS = {
    "a.double": double, "a.refuse": refuse, "a.fail": fail, "a.unsendable": unsendable,
    "a.never": never,
}  # fmt: skip


@asynccontextmanager
async def pair(
    notices: dict[str, Callable[[Envelope], None]], rate: float | None = None
) -> AsyncIterator[tuple[Link, Link, Records, Any]]:
    """Two ends, the second of which answers."""
    context = zmq.asyncio.Context()
    log = Records()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "s"
        sockets = [context.socket(zmq.DEALER) for _ in range(2)]
        sockets[0].bind(f"ipc://{path}")
        sockets[1].connect(f"ipc://{path}")
        one = Link(sockets[0], source="one", requests={}, notices={}, log=log)
        two = Link(sockets[1], source="two", requests=REQUESTS, notices=notices, log=log, rate=rate)
        serving = [asyncio.create_task(link.serve()) for link in (one, two)]
        try:
            yield one, two, log, sockets
        finally:
            for task in serving:
                task.cancel()
            for link in (one, two):
                await link.close()
            context.destroy(linger=0)


def run(work: Callable[[Link, Link, Records, Any], Awaitable[None]], **more: Any) -> None:
    async def inner() -> None:
        async with pair(more.pop("notices", {}), **more) as ends:
            await work(*ends)

    asyncio.run(asyncio.wait_for(inner(), 60))


def test_each_request_gets_its_own_answer() -> None:
    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        for first in range(0, 300, ANSWERING):
            numbers = range(first, first + ANSWERING)
            answers = await asyncio.gather(*(one.ask("a.double", {"value": n}) for n in numbers))
            assert [answer["value"] for answer in answers] == [2 * n for n in numbers]

    run(work)


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("a.refuse", "usage", "not so"),
        ("a.fail", "internal", "ZeroDivisionError"),
        ("a.unsendable", "internal", "cannot be sent"),
    ],
)
def test_a_failure_is_an_answer(kind: str, code: str, words: str) -> None:
    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        with pytest.raises(RemoteError, match=words) as caught:
            await one.ask(kind, {})
        assert caught.value.code == code
        assert (await one.ask("a.double", {"value": 1}))["value"] == 2

    run(work)


def test_no_answer_in_time() -> None:
    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        with pytest.raises(TimeoutError):
            await one.ask("a.never", {}, 0.05)
        assert one._waiting == {}

    run(work)


def test_those_who_wait_hear_that_the_other_end_is_gone() -> None:
    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        asked = asyncio.create_task(one.ask("a.never", {}))
        await asyncio.sleep(0.05)
        one.fail(PluginError("it has died"))
        with pytest.raises(PluginError, match="it has died"):
            await asked

    run(work)


def test_what_is_no_message_is_passed_over() -> None:
    def wrong(message: Envelope) -> None:
        raise KeyError("nothing")

    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        for frame in (b"", b"\xc1", b"x" * 100):
            await sockets[0].send(frame)
        one.tell("a.wrong", {})
        one.tell("a.unknown", {})
        assert (await one.ask("a.double", {"value": 1}))["value"] == 2
        assert log.kept[-1][2]["times"] == 4

    run(work, notices={"a.wrong": wrong})


def test_a_flood_waits_at_its_own_end_and_the_rest_is_counted() -> None:
    heard: list[int] = []

    async def work(one: Link, two: Link, log: Records, sockets: Any) -> None:
        told = [one.tell("a.note", {"n": n}) for n in range(20_000)]
        assert one._unsent <= UNSENT
        assert one.dropped == told.count(False) > 0
        began = time.monotonic()
        while len(heard) < 300:
            await asyncio.sleep(0.01)
        assert time.monotonic() - began > 0.5  # 300 at 400 a second
        assert heard == list(range(len(heard)))

    run(work, notices={"a.note": lambda message: heard.append(message.body["n"])}, rate=400.0)
