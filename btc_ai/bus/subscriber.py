"""Events as an asynchronous stream, for services."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import zmq
import zmq.asyncio

from btc_ai.api.messages import Position
from btc_ai.bus.codec import Envelope, decode
from btc_ai.errors import BusError
from btc_ai.paths import event_socket

WELCOME_LIMIT_S = 10.0

QUIET_MS = 1000
"""A silence after events, in which the last of them may have been lost."""

Missed = Callable[[str, int, int | None], AsyncIterator[Envelope]]
"""What the history holds of a source between two events' numbers, or to its end, in order."""


PAGE = 1000
"""Events asked of the history at once."""

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a command and returns its result."""


async def kept_between(
    call: Call, source: str, after: int, before: int | None
) -> AsyncIterator[Envelope]:
    """What the broker's history holds of a source between two numbers, or to its end."""
    while before is None or after + 1 < before:
        limit = PAGE if before is None else min(before - after - 1, PAGE)
        page = await call("daemon.events", {"source": source, "after": after, "limit": limit})
        for one in page["events"]:
            if before is not None and one["seq"] >= before:  # the oldest that is left
                return
            yield Envelope(**one)
        if page["through"] in (after, page["newest"]):
            return
        after = page["through"]


class Received(NamedTuple):
    """An event, how many of its source were lost for good before it, and the daemon's epoch."""

    event: Envelope
    lost: int
    epoch: str


async def listen(
    context: zmq.asyncio.Context, runtime: Path, missed: Missed, after: Position | None = None
) -> AsyncGenerator[Received, None]:
    """Every event, from now on, or all that the history has after a position.

    What was sent faster than it was taken is asked of the history. Raises BusError where the daemon
    does not welcome the subscriber.
    """
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    try:
        welcome = f"welcome.{secrets.token_hex(8)}"
        for topic in ("", welcome):
            socket.subscribe(topic)
        socket.connect(f"ipc://{event_socket(runtime)}")
        early, greeting = await _welcomed(socket, welcome.encode())
        epoch, told = str(greeting["epoch"]), dict(greeting["seq"])
        newest = _heard_of(after, epoch, told)
        for source in [one for one in told if told[one] > newest.get(one, 0)]:
            async for one, lost in _between(source, told[source] + 1, newest, missed):
                yield Received(one, lost, epoch)
        for event in early:
            if event.seq > (before := newest.get(event.source, 0)):
                newest[event.source] = event.seq
                yield Received(event, event.seq - before - 1, epoch)
        async for one, lost in _whole(socket, newest, missed):
            yield Received(one, lost, epoch)
    finally:
        socket.close()


def _heard_of(after: Position | None, epoch: str, told: dict[str, int]) -> dict[str, int]:
    """The number of the last event of each source that the subscriber has, or does not want."""
    if after is None:
        return dict(told)
    return dict(after.seq) if after.epoch == epoch else {}


async def _welcomed(
    socket: "zmq.asyncio.Socket", topic: bytes
) -> tuple[list[Envelope], dict[str, Any]]:
    early: list[Envelope] = []
    try:
        async with asyncio.timeout(WELCOME_LIMIT_S):
            while True:
                heard, frame = await socket.recv_multipart()
                if heard == topic:
                    return early, decode(frame).body
                if not heard.startswith(b"welcome."):
                    early.append(decode(frame))
    except TimeoutError:
        raise BusError("the daemon's event socket does not answer") from None


async def _whole(
    socket: "zmq.asyncio.Socket", newest: dict[str, int], missed: Missed
) -> AsyncIterator[tuple[Envelope, int]]:
    active: set[str] = set()
    while True:
        if active and not await socket.poll(QUIET_MS):
            for source in active:
                async for one, lost in _between(source, None, newest, missed):
                    yield one, lost
            active.clear()
        topic, frame = await socket.recv_multipart()
        if topic.startswith(b"welcome."):  # another subscriber's
            continue
        event = decode(frame)
        active.add(event.source)
        if event.seq > newest.get(event.source, 0) + 1:
            async for one, lost in _between(event.source, event.seq, newest, missed):
                yield one, lost
        if event.seq > (after := newest.get(event.source, 0)):  # else the history gave it already
            newest[event.source] = event.seq
            yield event, event.seq - after - 1


async def _between(
    source: str, before: int | None, newest: dict[str, int], missed: Missed
) -> AsyncIterator[tuple[Envelope, int]]:
    async for event in missed(source, newest.get(source, 0), before):
        lost = event.seq - newest.get(source, 0) - 1
        newest[source] = event.seq
        yield event, lost
