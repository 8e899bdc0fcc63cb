"""What a child process writes to stderr, as records of the daemon's log; a flood is cut short."""

import asyncio
import json
import os
import time
from collections import deque
from typing import Self

from btc_ai.api.service import Logger

MAX_LOG_LINE = 16_384
CHUNK = 65_536
LAST_WORDS_S = 1.0
BURST, A_SECOND = 1 << 20, 1 << 16
LINE_COST = 128
FLOOD_PAUSE_S = 0.005


class Budget:
    """How much a child may write, in bytes: 1 MiB at once, 64 KiB a second on average."""

    def __init__(self, burst: float = BURST, a_second: float = A_SECOND) -> None:
        """A full one."""
        self._burst, self._a_second = burst, a_second
        self._left, self._at = burst, time.monotonic()

    def take(self, cost: float) -> bool:
        """Whether there is so much left; then it is taken."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._a_second)
        self._at = now
        if cost > self._left:
            return False
        self._left -= cost
        return True


class LogPipe:
    """A pipe for a child's stderr: JSON lines with `level` and `event` become records.

    Any other line becomes a warning. Beyond `Budget` lines are dropped, counted, and read slowly,
    so that a child that floods waits, not the daemon.
    """

    def __init__(self, log: Logger, *, what: str = "worker") -> None:
        """A pipe; `writing` is the child's end. `what` writes to it, in the log's words."""
        self._log, self._what = log, what
        self._reading, self.writing = os.pipe()
        self._transport: asyncio.ReadTransport | None = None
        self._pump: asyncio.Task[None] | None = None
        self._budget = Budget()
        self._dropped = 0
        self._tail: deque[str] = deque(maxlen=20)

    async def __aenter__(self) -> Self:
        """The pipe, being read."""
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
        try:
            await asyncio.wait({self._pump}, timeout=LAST_WORDS_S)
        finally:
            self._pump.cancel()
            self._transport.close()
            self._tell_dropped()

    def close_writing(self) -> None:
        """Close the child's end in this process, once the child has it."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    @property
    def last_words(self) -> str:
        """The last lines."""
        return "\n".join(self._tail)

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
        levels = {"debug": self._log.debug, "info": self._log.info, "warning": self._log.warning}
        try:
            record = json.loads(text)
            level, event = record.pop("level"), str(record.pop("event"))
            levels.get(level, self._log.error)(event, **record)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            if text:
                self._log.warning(f"{self._what} wrote", text=text)
