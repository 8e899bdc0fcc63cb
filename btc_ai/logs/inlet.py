"""The daemon's end of a child's pipe of records."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from btc_ai.logs.pipe import decode, frames, widen
from btc_ai.logs.record import Record

CHUNK = 1 << 16
BURST, A_SECOND = 1 << 20, 1 << 16


class Budget:
    """How much a child may write, in bytes: 1 MiB at once, 64 KiB a second on average."""

    def __init__(self, burst: float = BURST, a_second: float = A_SECOND) -> None:
        """A full one."""
        self.burst, self.a_second = burst, a_second
        self._left, self._at = burst, time.monotonic()

    def take(self, cost: float) -> bool:
        """Whether there is so much left; then it is taken."""
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._at) * self.a_second)
        self._at = now
        if cost > self._left:
            return False
        self._left -= cost
        return True


class Inlet:
    """What a child hands on, as records under the name the daemon knows it by.

    `writing` is the child's end. Once all has been read, or no more is to be, `on_end` is called in
    the reader's thread. A child with a `budget` that writes more is read slowly: it is the child
    that waits, and drops.
    """

    def __init__(
        self, logger: str, *, bound: Mapping[str, Any] | None = None,
        budget: Budget | None = None, on_end: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """A pipe. bound: values of each record, whatever the child says. Raises OSError."""
        self._logger, self._bound, self._budget = logger, dict(bound or {}), budget
        self._on_end = on_end
        self.reading, self.writing = os.pipe()
        widen(self.writing)
        self._rest, self._is_broken = b"", False
        self.paused_until = 0.0
        """When it may be read again, by the monotonic clock; 0: now."""

    def read(self) -> list[Record] | None:
        """What has come, where something has; None: nothing comes any more."""
        chunk = os.read(self.reading, CHUNK)
        if not chunk or self._is_broken:
            return None
        try:
            bodies, self._rest = frames(self._rest + chunk)
        except ValueError as error:
            self._is_broken = True
            return [self._warning("what is no record came; its pipe is read no more", error)]
        if self._budget is not None and not self._budget.take(len(chunk)):
            self.paused_until = time.monotonic() + len(chunk) / self._budget.a_second
        return [self._record(body) for body in bodies]

    def close(self) -> None:
        """Close the daemon's end; a record that was cut off by the child's death is dropped."""
        os.close(self.reading)
        self._on_end()

    def close_writing(self) -> None:
        """Close the child's end in this process, once the child has it."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def _record(self, body: bytes) -> Record:
        try:
            one = decode(body)
        except ValueError as error:
            return self._warning("what is no record came", error)
        own = not one.logger or one.logger.partition(".")[0] == "btc_ai"
        library = {} if own else {"logger": one.logger}
        values = {**one.values, **library, **self._bound}
        return Record(one.time, one.level, self._logger, one.message, values, one.trace, one.origin)

    def _warning(self, text: str, error: Exception) -> Record:
        values = {"error": str(error)[:1000], **self._bound}
        return Record(time.time(), "WARNING", self._logger, text, values)
