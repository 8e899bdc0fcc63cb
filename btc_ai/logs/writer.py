"""The one thread that writes logs: the daemon's records, and those of its children's pipes."""

import os
import selectors
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from btc_ai.logs.console import Console
from btc_ai.logs.files import LOGS, belongs
from btc_ai.logs.inlet import Inlet
from btc_ai.logs.layout import Layout
from btc_ai.logs.record import Record
from btc_ai.logs.rolling import LogFile, Rolling

QUEUE = 50_000
"""Records of the daemon's own that wait at most."""
AT_ONCE = 2_000
RETRY_S = 1.0
CLOSE_LIMIT_S = 5.0
NAME = "btc_ai.logs"


class LogWriter:
    """Writes records to the files of a folder and to a console, in a thread of its own.

    A sink of `btc_ai.logs.capture`: `put` never waits. While the files cannot be written, `trouble`
    says why; `on_trouble` hears of its beginning, and of its end (None), in the writer's thread.
    """

    def __init__(
        self, folder: Path | None, layout: Layout, rolling: Rolling, *,
        console: Console | None = None, hide: Callable[[str], str] = str,
        on_trouble: Callable[[str | None], None] = lambda reason: None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """folder: None writes no files. Raises OSError where they cannot be written."""
        self.hide, self.on_trouble = hide, on_trouble
        self.trouble: str | None = None
        self.lost = 0
        """Records that stand nowhere, since the start."""
        self._lost_told, self._failed_at = 0, 0.0
        self._layout, self._console, self._now = layout, console, now
        self._files = {} if folder is None else {
            name: LogFile(folder, name, rolling, began=self._time_of, now=now) for name in LOGS
        }  # fmt: skip
        for file in self._files.values():
            file.open()
        self._queue: deque[Record] = deque()
        self._asked: deque[Callable[[], None]] = deque()
        self._inlets: set[Inlet] = set()
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._is_awake = self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Have a record written; where more wait than QUEUE, it is lost, and counted."""
        if len(self._queue) >= QUEUE:
            self.lost += 1
        else:
            self._queue.append(record)
        self._wake_up()

    def follow(self, inlet: Inlet) -> None:
        """Write what a child hands on, until its end."""
        self._ask(lambda: self._add(inlet))

    def flush(self) -> None:
        """Wait until what has been put is written, where it can be: for 5 s at most."""
        done = threading.Event()
        self._ask(done.set)
        done.wait(CLOSE_LIMIT_S)

    def close(self) -> None:
        """Write what is left, and end."""
        self._is_closing = True
        self._wake_up()
        self._thread.join(CLOSE_LIMIT_S)

    def _ask(self, what: Callable[[], None]) -> None:
        self._asked.append(what)
        self._wake_up()

    def _wake_up(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            os.write(self._wake, b"\0")

    def _run(self) -> None:
        while not self._is_closing or self._queue:
            try:
                self._turn()
            except Exception:  # noqa: BLE001  # a fence: logging must go on
                self.lost += 1
                with suppress(OSError, ValueError, AttributeError):
                    traceback.print_exc(file=sys.__stderr__)
                time.sleep(0.01)
        for inlet in self._inlets:
            inlet.close()
        for file in self._files.values():
            file.close()
        self._selector.close()
        os.close(self._woken)

    def _turn(self) -> None:
        """Take what has come, from everywhere a part, and write it."""
        ready = self._selector.select(0.0 if self._queue else self._pause_s())
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        self._is_awake = False  # after that: what is put from here on wakes the next turn
        asked = [self._asked.popleft() for _ in range(len(self._asked))]
        for _ in range(min(len(self._queue), AT_ONCE)):
            self._write(self._queue.popleft())
        for key, _ in ready:
            if key.data is not None:
                self._read(key.data)
        self._flush()
        self._tell_lost()
        for what in asked:
            if self._queue:
                self._ask(what)  # it is to come after what was put before it
            else:
                what()

    def _pause_s(self) -> float | None:
        """How long to sleep if nothing comes. Inlets whose pause is over are read again."""
        now = time.monotonic()
        waits = [max(0.0, self._failed_at + RETRY_S - now)] if self.trouble else []
        for inlet in self._inlets:
            if inlet.paused_until > now:
                waits.append(inlet.paused_until - now)
            elif inlet.paused_until:
                inlet.paused_until = 0.0
                self._selector.register(inlet.reading, selectors.EVENT_READ, inlet)
        return min(waits, default=None)

    def _add(self, inlet: Inlet) -> None:
        self._inlets.add(inlet)
        self._selector.register(inlet.reading, selectors.EVENT_READ, inlet)

    def _read(self, inlet: Inlet) -> None:
        records = inlet.read()
        for record in records or ():
            self._write(record)
        if records is None or inlet.paused_until:
            self._selector.unregister(inlet.reading)
        if records is None:
            self._inlets.discard(inlet)
            inlet.close()

    def _write(self, record: Record) -> None:
        if self._console is not None:
            self._console.put(record, self.hide)
        if not self._files:
            return
        line = f"{self._layout.write(record, self.hide)}\n".encode(errors="backslashreplace")
        taken = [
            file.add(line)
            for name, file in self._files.items()
            if belongs(name, record.logger, record.severity)
        ]
        self.lost += not all(taken)

    def _tell_lost(self) -> None:
        if self.lost > self._lost_told and self.trouble is None:
            text = "log records are lost: more come than can be written"
            self._say("WARNING", text, lost=self._lost_since())
            self._flush()

    def _lost_since(self) -> int:
        """How many have been lost since that was last told."""
        lost, self._lost_told = self.lost - self._lost_told, self.lost
        return lost

    def _say(self, level: str, text: str, **values: object) -> None:
        self._write(Record(self._now(), level, NAME, text, values))

    def _flush(self) -> None:
        """Write what is pending; after a failure again a second later."""
        waits = self.trouble and time.monotonic() - self._failed_at < RETRY_S
        if waits and not self._is_closing:
            return
        try:
            for file in self._files.values():
                file.flush()
        except OSError as error:
            self._failed_at = time.monotonic()
            if self.trouble is None:
                self.trouble = error.strerror or str(error)
                self._say("ERROR", "logs cannot be written", reason=self.trouble)
                self.on_trouble(self.trouble)
        else:
            if self.trouble is not None:
                reason, self.trouble = self.trouble, None
                text, lost = "logs can be written again", self._lost_since()
                self._say("WARNING", text, reason=reason, lost=lost)
                self.on_trouble(None)
                self._flush()  # or what was just said waits for the next record

    def _time_of(self, line: bytes) -> float | None:
        """When a file's first line was written."""
        found = self._layout.read(line.decode(errors="replace"))
        return found.time if found else None
