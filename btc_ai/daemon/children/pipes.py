"""What a child process says: its log records, and whatever else it writes to stderr."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from btc_ai.api.service import Logger
from btc_ai.daemon.logs import Logs
from btc_ai.logs.inlet import Budget

MAX_LOG_LINE = 16_384
CHUNK = 65_536
LAST_WORDS_S = 1.0
LINE_COST = 128
FLOOD_PAUSE_S = 0.005


class LogPipes:
    """A pipe for a child's log records, and one for its stderr, of which each line is a warning.

    Of the latter, lines beyond `Budget` are dropped, counted, and read slowly, so that a child that
    floods waits, not the daemon.
    """

    def __init__(
        self, logs: Logs, log: Logger, name: str, *, set_level: Callable[[int], None],
        what: str = "worker", budget: Budget | None = None, **bound: Any,
    ) -> None:  # fmt: skip
        """Pipes; name: the child's logger. set_level: tells it that its level has changed.

        `what` it is, in the log's words. budget: how much it may log; None: whatever it will.
        bound: values of each of its records.
        """
        self._logs, self._log, self._name, self._what = logs, log, name, what
        self._loop, self._recorded = asyncio.get_running_loop(), asyncio.Event()
        self._reading, self.stderr = os.pipe()
        try:
            self._records = logs.inlet(
                name, set_level=set_level, bound=bound, budget=budget, on_end=self._on_end
            )
        except OSError:  # no descriptors left
            os.close(self._reading)
            os.close(self.stderr)
            raise
        self._transport: asyncio.ReadTransport | None = None
        self._pump: asyncio.Task[None] | None = None
        self._budget = Budget()
        self._dropped = 0
        self._tail: deque[str] = deque(maxlen=20)

    async def __aenter__(self) -> Self:
        """The pipes, being read."""
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        reading = os.fdopen(self._reading, "rb", 0)
        try:
            self._transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), reading
            )
        except BaseException:
            reading.close()
            self.close_writing()
            raise
        self._pump = asyncio.create_task(self._follow(reader), name=f"{self._what} stderr")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Read what is left, for a second at most, then close."""
        self.close_writing()
        assert self._pump is not None and self._transport is not None
        recorded = asyncio.create_task(self._recorded.wait(), name=f"{self._what} records")
        try:
            await asyncio.wait({self._pump, recorded}, timeout=LAST_WORDS_S)
        finally:
            self._pump.cancel()
            recorded.cancel()
            self._transport.close()
            self._tell_dropped()

    @property
    def environment(self) -> dict[str, str]:
        """What the child has to know of its pipe of records, `descriptors`."""
        return self._logs.environment(self._name, self._records)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the child is to inherit besides stderr."""
        return (self._records.writing,)

    def close_writing(self) -> None:
        """Close the child's ends in this process, once the child has them."""
        self._records.close_writing()
        if self.stderr >= 0:
            os.close(self.stderr)
            self.stderr = -1

    @property
    def last_words(self) -> str:
        """The last lines of stderr."""
        return "\n".join(self._tail)

    def _on_end(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._recorded.set)

    async def _follow(self, stderr: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stderr.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-MAX_LOG_LINE:]
            if self._budget.take(len(chunk) + LINE_COST * len(lines)):
                self._tell_dropped()
                for line in lines:
                    self._write(line)
            else:
                self._dropped += len(lines)
                await asyncio.sleep(FLOOD_PAUSE_S)
        if rest:
            self._write(rest)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._log.warning(f"{self._what} wrote too much; lines dropped", lines=self._dropped)
            self._dropped = 0

    def _write(self, line: bytes) -> None:
        text = line[:MAX_LOG_LINE].decode(errors="replace").rstrip()
        self._tail.append(text)
        if text:
            self._log.warning(f"{self._what} wrote", text=text)
