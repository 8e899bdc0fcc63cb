"""Requests, replies and notices, both ways, between the daemon and a process of a plugin."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from btc_ai.api.service import Logger
from btc_ai.bus.client import RemoteError
from btc_ai.bus.codec import Body, Envelope, FrameError, decode, encode
from btc_ai.errors import BtcAiError

UNSENT = 1000
ANSWERING = 32
"""Requests of the other end that are answered at once, at most."""
BYTES_A_MESSAGE = 1000
"""A long message counts as so many short ones."""
MAX_REASON = 1000
LISTEN_S = 0.1

Answer = Callable[[Envelope], Awaitable[Body]]
Notice = Callable[[Envelope], None]


class Link:
    """One end of a DEALER pair.

    A request gets exactly one `plugin.result` or `plugin.error`, its id as `parent_id`; a notice
    gets none. Run `serve` in a task.
    """

    def __init__(
        self, socket: Any, *, source: str, requests: Mapping[str, Answer],
        notices: Mapping[str, Notice], log: Logger, heard: Callable[[], None] = lambda: None,
        rate: float | None = None,
    ) -> None:  # fmt: skip
        """Over a connected `zmq.asyncio` socket; `heard` is called for each message that comes.

        rate: messages a second that are taken, at most. What is beyond it waits at the other end,
        which drops what it cannot send.
        """
        self._socket, self._source, self._log = socket, source, log
        self._requests, self._notices = requests, notices
        self._rate = rate
        self._waiting: dict[str, asyncio.Future[Body]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._unsent = self._complaints = 0
        self.dropped = 0
        self._heard = heard

    async def serve(self) -> None:
        """Take what comes, for ever. What is no message of the other end's is passed over."""
        taken, since = 0.0, time.monotonic()
        while True:
            frame = await self._socket.recv()
            self._heard()
            try:
                self._take(decode(frame))
            except Exception as error:  # noqa: BLE001  # a fence: the other end may be broken
                self._complain("message passed over", f"{type(error).__name__}: {error}")
            if self._rate is None:
                continue
            taken += 1 + len(frame) / BYTES_A_MESSAGE
            if taken >= self._rate * LISTEN_S:
                await asyncio.sleep(max(0.0, since + LISTEN_S - time.monotonic()))
                taken, since = 0.0, time.monotonic()
            else:
                await asyncio.sleep(0)

    def _complain(self, event: str, error: str) -> None:
        """Log the first, the second, the fourth, …: the other end may be broken for good."""
        self._complaints += 1
        if self._complaints & (self._complaints - 1) == 0:
            self._log.warning(event, error=error[:MAX_REASON], times=self._complaints)

    def _take(self, message: Envelope) -> None:
        if message.kind in ("plugin.result", "plugin.error"):
            waiting = self._waiting.get(message.parent_id or "")
            if waiting is not None and not waiting.done():
                _settle(waiting, message)
        elif notice := self._notices.get(message.kind):
            notice(message)
        elif answer := self._requests.get(message.kind):
            if len(self._answering) >= ANSWERING:
                refused = {"code": "busy", "message": "too many requests at once; try again"}
                self.tell("plugin.error", refused, message.id)
                return
            task = asyncio.create_task(self._answer(answer, message), name=message.kind)
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, answer: Answer, message: Envelope) -> None:
        try:
            kind, body = "plugin.result", await answer(message)
        except BtcAiError as error:
            kind, body = "plugin.error", {"code": error.code, "message": str(error)}
        except Exception as error:  # noqa: BLE001  # a fence: the other end may be broken
            self._complain(f"request {message.kind} failed", f"{type(error).__name__}: {error}")
            kind, body = "plugin.error", {"code": "internal", "message": type(error).__name__}
        try:
            frame = encode(Envelope(kind, body, self._source, message.id))
        except FrameError as error:
            failed = {"code": "internal", "message": f"the reply cannot be sent: {error}"}
            frame = encode(Envelope("plugin.error", failed, self._source, message.id))
        await self._socket.send(frame)

    async def ask(self, kind: str, body: Body, limit_s: float | None = None) -> Body:
        """Send a request and return its result.

        Raises RemoteError with the code of an error reply, and TimeoutError after `limit_s`.
        """
        request = Envelope(kind, body, self._source)
        frame = encode(request)
        waiting: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = waiting
        try:
            async with asyncio.timeout(limit_s):
                await self._socket.send(frame)
                return await waiting
        finally:
            del self._waiting[request.id]
            if waiting.done() and not waiting.cancelled():
                waiting.exception()  # it has been heard, whoever was cancelled meanwhile

    def tell(self, kind: str, body: Body, parent_id: str | None = None) -> bool:
        """Send a notice; never waits. False, and counted, where too many are unsent already."""
        frame = encode(Envelope(kind, body, self._source, parent_id))
        if self._unsent >= UNSENT:
            self.dropped += 1
            return False
        sending = self._socket.send(frame)
        if not sending.done():
            self._unsent += 1
            sending.add_done_callback(self._sent)
        return True

    def _sent(self, sending: "asyncio.Future[None]") -> None:
        self._unsent -= 1
        if not sending.cancelled():
            sending.exception()

    def fail(self, error: BtcAiError) -> None:
        """Answer every request that waits with `error`: the other end is gone."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)

    async def close(self) -> None:
        """End the answers in progress and close the socket."""
        for task in list(self._answering):
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        self._socket.close(linger=200)


def _settle(waiting: "asyncio.Future[Body]", message: Envelope) -> None:
    if message.kind == "plugin.result":
        waiting.set_result(message.body)
        return
    code, reason = message.body.get("code"), message.body.get("message")
    waiting.set_exception(RemoteError(str(code), str(reason)))
