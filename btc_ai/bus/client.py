"""The synchronous client: sends commands, listens to events. Small, so that the CLI starts fast."""

import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from btc_ai.bus.codec import Body, Envelope, decode, encode
from btc_ai.errors import BusError
from btc_ai.paths import command_socket, event_socket


class NoDaemonError(BusError):
    """No daemon answers."""

    code = "no_daemon"


class RemoteError(BusError):
    """The daemon's error reply; `code` as in `docs/messaging.md`."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the reply's code beside its message."""
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # each reply has its own


def daemon_listens(runtime: Path) -> bool:
    """Whether a live process has bound the command socket (a stale file refuses)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(command_socket(runtime)))
        except BlockingIOError:  # it listens, and others are knocking
            return True
        except OSError:
            return False
        return True


class Client:
    """A connection to the daemon of one runtime directory; use it as a context manager."""

    def __init__(self, runtime: Path, *, source: str = "cli", timeout: float = 10.0) -> None:
        """Connect. Raises NoDaemonError at once where none listens."""
        if not daemon_listens(runtime):
            raise NoDaemonError(
                f"no daemon is reachable at {runtime}; start one with `btc-ai daemon start`"
            )
        self.runtime, self.source, self.timeout = runtime, source, timeout
        self._context = zmq.Context()
        self._commands = self._context.socket(zmq.DEALER)
        self._commands.linger = 0
        self._commands.connect(f"ipc://{command_socket(runtime)}")

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every socket."""
        self._context.destroy(linger=0)

    def call(self, kind: str, body: Body | None = None, *, timeout: float | None = None) -> Body:
        """Send one command and return its result.

        Raises RemoteError for an error reply and NoDaemonError where no reply comes in time.
        """
        command = Envelope(kind, body or {}, self.source)
        self._commands.send(encode(command))
        deadline = time.monotonic() + (timeout or self.timeout)
        while (left := deadline - time.monotonic()) > 0:
            if not self._commands.poll(int(left * 1000) + 1):
                break
            reply = decode(self._commands.recv())
            if reply.parent_id not in (command.id, None):  # None: it could not read the command
                continue
            if reply.kind == "reply.error":
                raise RemoteError(str(reply.body["code"]), str(reply.body["message"]))
            if reply.kind == "reply.result":
                return reply.body
        raise NoDaemonError(
            f"the daemon did not answer {kind} in {timeout or self.timeout:g} s; "
            "see `btc-ai daemon status` and its log"
        )

    def subscribe(self, *topics: str) -> "Subscription":
        """Listen to the events whose kind begins with one of `topics`; live when this returns."""
        return Subscription(self._context, self.runtime, topics, self.timeout)


class Subscription:
    """A live stream of events, from the welcome on."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", runtime: Path, topics: tuple[str, ...],
        timeout: float,
    ) -> None:  # fmt: skip
        """Subscribe and wait for the broker's welcome. Raises NoDaemonError without one."""
        self._socket = context.socket(zmq.SUB)
        self._socket.linger = 0
        welcome = f"welcome.{secrets.token_hex(8)}"
        for topic in (*topics, welcome):
            self._socket.subscribe(topic)
        self._socket.connect(f"ipc://{event_socket(runtime)}")
        early: list[Envelope] = []
        deadline = time.monotonic() + timeout
        while (event := self.receive(max(0.0, deadline - time.monotonic()))) is not None:
            if event.kind == "bus.welcome":
                self.last = [Envelope(**one) for one in event.body["last"]]
                self._seq: dict[str, int] = dict(event.body["seq"])
                self._early = [one for one in early if one.seq > self._seq.get(one.source, 0)]
                return
            early.append(event)
        raise NoDaemonError(f"the daemon's event socket at {runtime} does not answer")

    def receive(self, timeout: float) -> Envelope | None:
        """The next event, or None after `timeout` seconds."""
        if not self._socket.poll(int(timeout * 1000)):
            return None
        return decode(self._socket.recv_multipart()[1])

    def events(self, idle: float = 1.0) -> Iterator[tuple[Envelope | None, bool]]:
        """Every event, with whether others of its source were lost before it.

        After `idle` seconds without one, `(None, False)`, so that the caller can look around.
        """
        for event in self._early:
            self._seq[event.source] = event.seq
            yield event, False
        while True:
            event_or_none = self.receive(idle)
            if event_or_none is None:
                yield None, False
                continue
            newest = self._seq.get(event_or_none.source)
            self._seq[event_or_none.source] = event_or_none.seq
            yield event_or_none, newest is not None and event_or_none.seq != newest + 1
