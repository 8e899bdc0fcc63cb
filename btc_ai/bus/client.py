"""The synchronous client: sends commands, listens to events. Small, so that the CLI starts fast."""

import secrets
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from btc_ai.bus.address import Address, Host, Local
from btc_ai.bus.codec import Body, Envelope, decode, encode
from btc_ai.errors import BusError

PAGE = 1000
SETTLE_S = 2.0
"""How long a look for newer events waits; where events are missed, it waits as a command does."""
QUEUED = 10_000
"""Events that wait for a subscriber; at 50,000 a second, those of 0.2 s."""

_Events = Iterator[tuple[Envelope, bool]]
_Missed = Generator[tuple[Envelope, bool], None, bool]


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
    """Whether a live process has bound the command socket of a runtime folder."""
    return Local(runtime).listens()


class Client:
    """A connection to one daemon; use it as a context manager."""

    def __init__(
        self, where: Path | Address, *, source: str = "cli", timeout: float = 10.0
    ) -> None:
        """Connect, to a runtime folder or another address.

        Raises NoDaemonError where none listens, at once, or where a remote one does not answer,
        and RemoteError where a remote one refuses.
        """
        self.address: Address = Local(where) if isinstance(where, Path) else where
        if not self.address.listens():
            raise NoDaemonError(self.address.advice)
        self.source, self.timeout = source, timeout
        self._context = zmq.Context()
        self._commands = self._context.socket(zmq.DEALER)
        self._commands.linger = 0
        self.address.connect_commands(self._commands)
        if isinstance(self.address, Host):
            self._knock()

    def _knock(self) -> None:
        """Find out whether the daemon takes this client's key: it does not say so where not."""
        try:
            self.call("daemon.ping")
        except NoDaemonError:
            self._context.destroy(linger=0)
            raise NoDaemonError(self.address.advice) from None
        except BusError:  # it answers, if not as it should: it is busy, or of another version
            self._context.destroy(linger=0)
            raise

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
        return Subscription(self, self._context, topics)


class Subscription:
    """A live stream of events, from the welcome on; what it missed it asks the history for."""

    def __init__(
        self, client: Client, context: "zmq.Context[zmq.Socket[bytes]]", topics: tuple[str, ...]
    ) -> None:
        """Subscribe and wait for the broker's welcome. Raises NoDaemonError without one."""
        self._client, self._topics = client, topics
        self._heard: set[str] = set()
        self._fetched: set[str] = set()
        self._socket = context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.rcvhwm = QUEUED
        welcome = f"welcome.{secrets.token_hex(8)}"
        for topic in (*topics, welcome):
            self._socket.subscribe(topic)
        client.address.connect_events(self._socket)
        early: list[Envelope] = []
        deadline = time.monotonic() + client.timeout
        while (event := self.receive(max(0.0, deadline - time.monotonic()))) is not None:
            if event.kind == "bus.welcome":
                self.last = [Envelope(**one) for one in event.body["last"]]
                self._epoch = event.body["epoch"]
                self._seq: dict[str, int] = dict(event.body["seq"])
                self._early = [one for one in early if one.seq > self._seq.get(one.source, 0)]
                return
            early.append(event)
        raise NoDaemonError(f"the event socket does not answer: {client.address.advice}")

    def receive(self, timeout: float) -> Envelope | None:
        """The next event, or None after `timeout` seconds."""
        if not self._socket.poll(int(timeout * 1000)):
            return None
        return decode(self._socket.recv_multipart()[1])

    def events(self, idle: float = 1.0) -> Iterator[tuple[Envelope | None, bool]]:
        """Every event, with whether others of its source were lost before it for good.

        After `idle` seconds without one, `(None, False)`, so that the caller can look around;
        `(None, True)` where the newest events were lost.
        """
        for event in self._early:
            yield from self._in_order(event)
        while True:
            event_or_none = self.receive(idle)
            if event_or_none is None:
                yield None, (yield from self._settle())
            elif event_or_none.kind == "bus.welcome":  # it was cut off, and is connected again
                yield from self._again(event_or_none.body)
            else:
                yield from self._in_order(event_or_none)

    def _settle(self) -> _Missed:
        """Catch up on the sources heard since it was quiet: what was lost may have been the last.

        It is remembered: it may yet come by itself, and must not be taken twice.
        """
        lost = False
        self._fetched.clear()
        while self._heard:
            source = self._heard.pop()
            missed = self._missed(source, self._seq[source], None)
            lost |= yield from _each(missed, self._fetched)
        return lost

    def _again(self, welcome: Body) -> Iterator[tuple[Envelope | None, bool]]:
        """Catch up on what was published while the connection was lost."""
        restarted, self._epoch = welcome["epoch"] != self._epoch, welcome["epoch"]
        if restarted:  # the old daemon's last events may be missing, of any source
            self._seq.clear()
        lost = restarted
        for source, seq in welcome["seq"].items():
            if self._concerns(source):
                known = self._seq.get(source, 0)
                lost = yield from self._missed(source, known, seq, lost=lost)
            self._seq[source] = seq
        if lost:
            yield None, True

    def _concerns(self, source: str) -> bool:
        """Whether a source publishes what is subscribed to: kinds begin with its name."""
        return any(topic.partition(".")[0] in ("", source) for topic in self._topics)

    def _in_order(self, event: Envelope) -> _Events:
        """What the history has of the events before this one, then this one."""
        if event.id in self._fetched:
            return
        source, newest = event.source, self._seq.get(event.source, 0)
        restarted = event.seq <= newest  # the daemon's, which counts anew
        after = 0 if restarted else newest
        lost = yield from self._missed(source, after, event.seq - 1, lost=restarted)
        self._seq[source] = event.seq
        self._heard.add(source)
        yield event, lost

    def _missed(self, source: str, after: int, until: int | None, *, lost: bool = False) -> _Missed:
        """The events of `source` after one number until another (None: the newest).

        Returns whether something was lost that no event has said yet.
        """
        while until is None or after < until:
            wanted = PAGE if until is None else min(PAGE, until - after)
            patience = SETTLE_S if until is None else None
            body = {"source": source, "after": after, "limit": wanted}
            try:
                page = self._client.call("daemon.events", body, timeout=patience)
            except BusError:
                return until is not None  # an older daemon has none
            lost |= not page["complete"]
            until = page["newest"] if until is None else until
            after = page["through"]
            for event in (Envelope(**one) for one in page["events"]):
                if event.seq > until:  # the oldest that is left: it will come by itself
                    break
                self._seq[source] = event.seq
                if event.kind.startswith(self._topics):
                    yield event, lost
                    lost = False
        return lost


def _each(missed: _Missed, ids: set[str]) -> _Missed:
    """The same events, keeping their ids."""
    while True:
        try:
            event, lost = next(missed)
        except StopIteration as end:
            return bool(end.value)
        ids.add(event.id)
        yield event, lost
