"""Events as an asynchronous stream, for services."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import zmq
import zmq.asyncio

from btc_ai.bus.codec import Envelope, decode
from btc_ai.errors import BusError
from btc_ai.paths import event_socket

WELCOME_LIMIT_S = 10.0

QUIET_MS = 1000
"""A silence after events, in which the last of them may have been lost."""

Missed = Callable[[str, int, int | None], AsyncIterator[Envelope]]
"""What the history holds of a source between two events' numbers, or to its end, in order."""


async def listen(
    context: zmq.asyncio.Context, runtime: Path, missed: Missed
) -> AsyncIterator[tuple[Envelope, int]]:
    """Every event, with how many of its source were lost for good before it.

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
        early, newest = await _welcomed(socket, welcome.encode())
        for event in early:
            if event.seq > newest.get(event.source, 0):
                newest[event.source] = event.seq
                yield event, 0
        async for one, lost in _whole(socket, newest, missed):
            yield one, lost
    finally:
        socket.close()


async def _welcomed(
    socket: "zmq.asyncio.Socket", topic: bytes
) -> tuple[list[Envelope], dict[str, int]]:
    early: list[Envelope] = []
    try:
        async with asyncio.timeout(WELCOME_LIMIT_S):
            while True:
                heard, frame = await socket.recv_multipart()
                if heard == topic:
                    return early, dict(decode(frame).body["seq"])
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
