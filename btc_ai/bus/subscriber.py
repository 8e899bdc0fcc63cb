"""Events as an asynchronous stream, for services."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import zmq
import zmq.asyncio

from btc_ai.bus.codec import Envelope, decode
from btc_ai.errors import BusError
from btc_ai.paths import event_socket

WELCOME_LIMIT_S = 10.0

Missed = Callable[[str, int], Awaitable[Sequence[Envelope]]]
"""What the history holds of a source after an event's number, in order."""


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
        async for event in _events(socket):
            for one, lost in await _with_missed(event, newest, missed):
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


async def _events(socket: "zmq.asyncio.Socket") -> AsyncIterator[Envelope]:
    while True:
        topic, frame = await socket.recv_multipart()
        if not topic.startswith(b"welcome."):  # another subscriber's
            yield decode(frame)


async def _with_missed(
    event: Envelope, newest: dict[str, int], missed: Missed
) -> list[tuple[Envelope, int]]:
    """The event, after those before it that the history still holds."""
    after = newest.get(event.source, 0)
    if event.seq <= after:  # it came with the history already
        return []
    found = await missed(event.source, after) if event.seq > after + 1 else ()
    whole = [one for one in found if after < one.seq < event.seq]
    made = []
    for one in (*whole, event):
        made.append((one, one.seq - after - 1))
        after = one.seq
    newest[event.source] = after
    return made
