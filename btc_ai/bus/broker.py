"""The daemon's side of the bus: takes commands, routes worker messages, publishes events."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from btc_ai.bus.codec import Body, Envelope, FrameError, VersionError, decode, encode
from btc_ai.errors import BusError
from btc_ai.paths import command_socket, event_socket

KEPT_LAST = 64
MAX_MESSAGE = 8 << 20
_WELCOME = b"\x01welcome."

Peer = bytes
Handle = Callable[[Envelope, Peer], Awaitable[None]]
Listener = Callable[[Envelope], None]


class Broker:
    """Owns both sockets. Run `serve` in a task; `close` when done."""

    def __init__(self, runtime: Path, handle: Handle) -> None:
        """Bind the sockets in `runtime` (0700; 0750 opens them to its group too).

        Raises BusError where the path is too long.
        """
        self._handle = handle
        self._workers: dict[Peer, Listener] = {}
        self._seq: dict[str, int] = {}
        self._last: OrderedDict[tuple[str, object], Envelope] = OrderedDict()
        self._context = zmq.asyncio.Context()
        self._paths = command_socket(runtime), event_socket(runtime)
        self._commands = self._socket(zmq.ROUTER, self._paths[0])
        self._events = self._socket(zmq.XPUB, self._paths[1])

    def _socket(self, kind: int, path: Path) -> Any:
        if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
            raise BusError(
                f"{path} is longer than the {zmq.IPC_PATH_MAX_LEN} characters a socket's path may "
                "have; name a shorter folder in BTC_AI_RUNTIME_DIR"
            )
        made = self._context.socket(kind)
        made.linger = 0
        made.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        mask = os.umask(0o117 if _open_to_group(path.parent) else 0o177)
        try:
            made.bind(f"ipc://{path}")
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise BusError(f"cannot listen at {path}: {error}") from None
        finally:
            os.umask(mask)
        return made

    def close(self) -> None:
        """Close both sockets and remove their files."""
        self._context.destroy(linger=0)
        for path in self._paths:
            path.unlink(missing_ok=True)

    async def serve_commands(self) -> None:
        """Hand each frame on: a worker's to its listener, anybody else's to the dispatcher."""
        while True:
            peer, *frames = await self._commands.recv_multipart()
            try:
                if len(frames) != 1:
                    raise FrameError("a command is exactly one frame")
                envelope = decode(frames[0])
            except (FrameError, VersionError) as error:
                await self.reply(peer, None, "error", {"code": error.code, "message": str(error)})
                continue
            if listener := self._workers.get(peer):
                listener(envelope)
            else:
                await self._handle(envelope, peer)

    async def serve_subscriptions(self) -> None:
        """Welcome each subscriber, on its own topic, once its subscriptions are in force."""
        while True:
            message = await self._events.recv()
            if message.startswith(_WELCOME):
                await self._events.send_multipart([message[1:], self._welcome()])

    def _welcome(self) -> bytes:
        """The welcome's frame, with as many of the last events, newest first, as it can hold."""
        last = [asdict(one) for one in self._last.values()]
        while True:
            body = {"last": last, "seq": self._seq}
            try:
                return encode(Envelope("bus.welcome", body, "broker"))
            except FrameError:
                if not last:
                    raise
                last = last[(len(last) + 1) // 2 :]

    async def reply(self, peer: Peer, parent_id: str | None, kind: str, body: Body) -> None:
        """Send one reply; a peer that has gone is none of our business."""
        try:
            frame = encode(Envelope(f"reply.{kind}", body, "daemon", parent_id))
        except FrameError as error:
            failure = {"code": "internal", "message": f"the reply cannot be sent: {error}"}
            frame = encode(Envelope("reply.error", failure, "daemon", parent_id))
        await self._commands.send_multipart([peer, frame])

    def publish(self, kind: str, body: Body, *, source: str, parent_id: str | None = None) -> None:
        """Publish one event and keep it for late joiners. Raises FrameError; then nothing went."""
        seq = self._seq.get(source, 0) + 1
        event = Envelope(kind, body, source, parent_id, seq)
        frame = encode(event)
        self._seq[source] = seq
        self._last[kind, body.get("run")] = event
        self._last.move_to_end((kind, body.get("run")))
        if len(self._last) > KEPT_LAST:
            self._last.popitem(last=False)
        self._events.send_multipart([kind.encode(), frame])  # XPUB never waits: it drops

    def attach_worker(self, token: Peer, listener: Listener) -> None:
        """Route what the peer with this secret sends to `listener`, which must not block."""
        self._workers[token] = listener

    def detach_worker(self, token: Peer) -> None:
        """Forget a worker."""
        self._workers.pop(token, None)

    async def send_worker(self, token: Peer, kind: str, body: Body) -> None:
        """Send a worker one message."""
        await self._commands.send_multipart([token, encode(Envelope(kind, body, "daemon"))])

    async def idle(self) -> None:
        """Let what was published leave before the sockets close."""
        await asyncio.sleep(0.05)


def _open_to_group(folder: Path) -> bool:
    """Whether a folder is open to its group and to nobody else, as systemd makes it (0750)."""
    try:
        return folder.stat().st_mode & 0o017 == 0o010
    except OSError:
        return False  # bind says what is wrong with it
