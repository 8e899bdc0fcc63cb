"""The daemon's side of the bus: takes commands, routes worker messages, publishes events."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import zmq
import zmq.asyncio

from btc_ai.bus.codec import MAX_DEPTH, MAX_FRAME, Body, Envelope, FrameError, check_value, encode
from btc_ai.bus.commands import Handle, Peer, send_reply, serve_commands
from btc_ai.bus.events import EventSocket
from btc_ai.bus.history import History, LastEvents
from btc_ai.errors import BusError
from btc_ai.paths import command_socket, event_socket

KEPT_LAST = 64
"""Last values of a source."""
KEPT_BYTES = 32 << 20
MAX_MESSAGE = 8 << 20
MAX_PAGE = 600_000
"""Bytes of events in one answer to `daemon.events`; a reply has at most MAX_FRAME."""
ROOM = 4096
"""Bytes that the rest of such a reply may take."""
SEQ_ROOM = 80
"""Bytes that a source's number may take in a welcome."""

Token = bytes
Listener = Callable[[Envelope], None]


class Broker:
    """Owns both sockets. Run `serve_commands` and `serve_subscriptions` in tasks; then `close`."""

    def __init__(self, runtime: Path, handle: Handle, *, kept_bytes: int = KEPT_BYTES) -> None:
        """Bind the sockets in `runtime` (0700; 0750 opens them to its group too).

        Raises BusError where the path is too long.
        """
        self.handle = handle
        self._workers: dict[Token, Listener] = {}
        self._seq: dict[str, int] = {}
        self._last = LastEvents(KEPT_LAST)
        self._welcome: bytes | None = None
        self._history = History(kept_bytes)
        self._epoch = os.urandom(8).hex()
        self._context = zmq.asyncio.Context()
        self._paths = command_socket(runtime), event_socket(runtime)
        self._commands = self._context.socket(zmq.ROUTER)
        self._commands.linger = 0
        self._commands.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self._bind(self._commands, self._paths[0])
        events = plain_socket(self._context, zmq.XPUB)
        self._events = EventSocket(events, self.welcome)
        self._bind(events, self._paths[1])
        self._outlets = [self._events]

    def _bind(self, socket: Any, path: Path) -> None:
        if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
            self._context.destroy(linger=0)
            raise BusError(
                f"{path} is longer than the {zmq.IPC_PATH_MAX_LEN} characters a socket's path may "
                "have; name a shorter folder in BTC_AI_RUNTIME_DIR"
            )
        mask = os.umask(0o117 if _open_to_group(path.parent) else 0o177)
        try:
            socket.bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise BusError(f"cannot listen at {path}: {error}") from None
        finally:
            os.umask(mask)

    def close(self) -> None:
        """Close both sockets and remove their files."""
        self._context.destroy(linger=0)
        for path in self._paths:
            path.unlink(missing_ok=True)

    async def serve_commands(self) -> None:
        """Hand each frame on: a worker's to its listener, anybody else's to the dispatcher."""
        await serve_commands(self._commands, partial(_local_peer, self._commands), self._route)

    async def _route(self, envelope: Envelope, peer: Peer) -> None:
        if listener := self._workers.get(peer.route):
            listener(envelope)
        else:
            await self.handle(envelope, peer)

    async def serve_subscriptions(self) -> None:
        """Welcome each subscriber once its subscriptions are in force."""
        await self._events.serve()

    def welcome(self) -> bytes:
        """The welcome's frame, with as many of the last events as it can hold."""
        if self._welcome is None:
            kept = self._last.within(MAX_FRAME - ROOM - SEQ_ROOM * len(self._seq))
            last = [event for frame in kept if (event := _for_reply(frame)) is not None]
            body = {"last": last, "seq": self._seq, "epoch": self._epoch}
            self._welcome = encode(Envelope("bus.welcome", body, "broker"))
        return self._welcome

    async def reply(self, peer: Peer, parent_id: str | None, kind: str, body: Body) -> None:
        """Send one reply; a peer that has gone is none of our business."""
        await send_reply(peer, parent_id, kind, body)

    def publish(self, kind: str, body: Body, *, source: str, parent_id: str | None = None) -> None:
        """Publish one event and keep it for late joiners. Raises FrameError; then nothing went."""
        seq, run = self._seq.get(source, 0) + 1, body.get("run")
        frame = encode(Envelope(kind, body, source, parent_id, seq))
        self._seq[source], self._welcome = seq, None
        self._last.add(source, kind, run if isinstance(run, str) else None, frame)
        self._history.add(source, seq, frame)
        for outlet in self._outlets:
            outlet.send(kind.encode(), frame)

    def add_outlet(self, outlet: EventSocket) -> None:
        """Publish there too."""
        self._outlets.append(outlet)

    def remove_outlet(self, outlet: EventSocket) -> None:
        """Publish there no more."""
        self._outlets = [one for one in self._outlets if one is not outlet]

    def history(self, source: str, after: int, limit: int) -> Body:
        """The kept events of `source` after number `after`, oldest first, at most `limit`.

        `through` is where to ask on; `complete` is False where an event up to there is missing;
        `newest` is the number of its newest event.
        """
        events: list[Body] = []
        size, through, complete = 0, after, True
        for seq, frame in self._history.after(source, after, limit):
            size += len(frame)
            if size > MAX_PAGE and through > after:
                break
            complete &= seq == through + 1
            through = seq
            event = _for_reply(frame)
            complete &= event is not None
            events += [event] if event is not None else []
        newest = self._seq.get(source, 0)
        if through == after != newest:
            through, complete = newest, False
        return {"events": events, "through": through, "complete": complete, "newest": newest}

    def attach_worker(self, token: Token, listener: Listener) -> None:
        """Route what the peer with this secret sends to `listener`, which must not block."""
        self._workers[token] = listener

    def detach_worker(self, token: Token) -> None:
        """Forget a worker."""
        self._workers.pop(token, None)

    async def send_worker(self, token: Token, kind: str, body: Body) -> None:
        """Send a worker one message."""
        await self._commands.send_multipart([token, encode(Envelope(kind, body, "daemon"))])

    async def idle(self) -> None:
        """Let what was published leave before the sockets close."""
        await asyncio.sleep(0.05)


def plain_socket(context: zmq.asyncio.Context, kind: int) -> Any:
    """A socket of an asyncio context that is none of asyncio's."""
    return context.socket(kind, socket_class=zmq.Socket)  # type: ignore[arg-type]  # pyzmq's type


def _local_peer(socket: Any, route: bytes, frame: Any) -> Peer:
    """A peer on this machine; the kernel tells its user and process."""
    _, uid, _, pid = (frame.get("Peer-Address").rsplit(":", 3) + [""] * 4)[:4]
    return Peer(route, f"uid {uid} pid {pid}", "operator", socket)


def _for_reply(frame: bytes) -> Body | None:
    """An event as it can stand in a list in a reply; None where it is too large or too deep."""
    event: Body = msgpack.unpackb(frame)
    try:
        check_value(event, MAX_DEPTH - 2)
    except FrameError:
        return None
    return event if len(frame) < MAX_FRAME - ROOM else None


def _open_to_group(folder: Path) -> bool:
    """Whether a folder is open to its group and to nobody else, as systemd makes it (0750)."""
    try:
        return folder.stat().st_mode & 0o017 == 0o010
    except OSError:
        return False  # bind says what is wrong with it
