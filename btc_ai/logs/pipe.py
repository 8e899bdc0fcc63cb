"""How a child process hands its log records to the daemon: frames over a pipe of their own.

The pipe needs no bus and outlives the child: what `put` has written is the kernel's, and read
whatever becomes of either. `put` never waits: what the pipe does not take is queued, in bounds, and
what does not fit there is counted and told of later.
"""

import fcntl
import os
import select
import struct
import sys
import threading
import time
from collections import deque

import msgpack

from btc_ai.logs.layout import Layout
from btc_ai.logs.record import LEVELS, Record

VARIABLE = "BTC_AI_LOG"
QUEUE_BYTES = 4 << 20
PIPE_BYTES = 1 << 20
MAX_TEXT, MAX_TRACE = 8_192, 32_768
LAST_WAIT_S = 1.0
MAX_FRAME = 1 << 20
_F_SETPIPE_SZ = 1031
_LENGTH = struct.Struct("!I")


def encode(record: Record) -> bytes:
    """A record as one frame: its length, then msgpack. Text is cut, a traceback at its beginning.

    Values that are neither numbers nor text become text.
    """
    values = {key: _plain(value) for key, value in record.values.items()}
    body = (
        record.time, record.level, record.logger, record.message[:MAX_TEXT], values,
        record.trace[-MAX_TRACE:], record.origin,
    )  # fmt: skip
    packed: bytes = msgpack.packb(body, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(packed)) + packed


def frames(data: bytes) -> tuple[list[bytes], bytes]:
    """The bodies of the whole frames in `data`, and the rest. Raises ValueError: there are none."""
    found, at = list[bytes](), 0
    while at + _LENGTH.size <= len(data):
        length = _LENGTH.unpack_from(data, at)[0]
        if length > MAX_FRAME:
            raise ValueError(f"a frame of {length} bytes")
        if at + _LENGTH.size + length > len(data):
            break
        at += _LENGTH.size + length
        found.append(data[at - length : at])
    return found, data[at:]


def decode(body: bytes) -> Record:
    """The record that a child wrote. Raises ValueError for anything else."""
    try:
        one = Record(*msgpack.unpackb(body, unicode_errors="surrogatepass"))
    except (TypeError, ValueError, msgpack.UnpackException) as error:
        raise ValueError(f"no record ({error})") from None
    texts, maps = (one.level, one.logger, one.message, one.trace), (one.values, one.origin)
    sound = isinstance(one.time, float) and one.level in LEVELS
    if not (sound and all(isinstance(text, str) for text in texts)):
        raise ValueError("no record")
    if not all(isinstance(one, dict) and all(isinstance(key, str) for key in one) for one in maps):
        raise ValueError("no record")
    return one


def _plain(value: object) -> object:
    kind = type(value)
    if kind is float or kind is bool or (kind is int and -(2**63) <= value < 2**63):  # type: ignore[operator]
        return value
    text = value if kind is str else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"  # type: ignore[arg-type, index]


def widen(fd: int) -> None:
    """Let a pipe hold 1 MiB, where the system grants that."""
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        return


class PipeLog:
    """A child's end of the pipe; a sink of `btc_ai.logs.capture`. Where it breaks: stderr."""

    def __init__(self, fd: int, *, queue_bytes: int = QUEUE_BYTES) -> None:
        """Write to `fd`, which is this process's alone."""
        self._fd, self._limit = fd, queue_bytes
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        self._lock = threading.Lock()
        self._queue, self._queued = deque[bytes](), 0
        self._begun = b""
        """What is left of a frame of which the pipe has the beginning."""
        self._flusher: threading.Thread | None = None
        self._dropped, self._is_broken = 0, False
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def put(self, record: Record) -> None:
        """Hand on a record; it returns at once."""
        frame = encode(record)
        with self._lock:
            if self._is_broken:
                _to_stderr(frame)
            elif self._queue or self._begun or not self._write(frame):
                self._enqueue(frame)

    def flush(self, limit_s: float) -> bool:
        """Wait until what has been put is in the pipe, for so long at most; whether it is."""
        end = time.monotonic() + limit_s
        while (self._queue or self._begun) and time.monotonic() < end:
            time.sleep(0.002)
        return not (self._queue or self._begun)

    def close(self) -> None:
        """Hand on what is queued, for a second at most; what is left goes to stderr."""
        self.flush(LAST_WAIT_S)
        with self._lock:
            self._break()

    def _write(self, frame: bytes) -> bool:
        """Whether the pipe has taken the frame, or its beginning."""
        try:
            written = os.write(self._fd, frame)
        except BlockingIOError:
            return False
        except OSError:  # the daemon is gone
            _to_stderr(frame)
            self._break()
            return True
        self._begun = frame[written:]
        if self._begun:
            self._flush_later()
        return True

    def _enqueue(self, frame: bytes) -> None:
        if self._queued + len(frame) > self._limit:
            self._dropped += 1
            return
        self._queue.append(frame)
        self._queued += len(frame)
        self._flush_later()

    def _flush_later(self) -> None:
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush, name="log queue", daemon=True)
            self._flusher.start()

    def _flush(self) -> None:
        """Write the queue as the pipe empties, until there is none."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while True:
            poll.poll(1000)
            with self._lock:
                self._write_on()
                if not (self._queue or self._begun):
                    self._flusher = None
                    return

    def _write_on(self) -> None:
        """Write as much as the pipe takes now."""
        if self._begun and not self._write(self._begun):
            return
        while self._queue and not self._begun and self._write(self._queue[0]):
            if self._queue:
                self._queued -= len(self._queue.popleft())
        if self._dropped and not (self._queue or self._begun):
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        text, dropped = "log records dropped: the daemon did not keep up", self._dropped
        self._dropped = 0
        frame = encode(Record(time.time(), "WARNING", "", text, {"dropped": dropped}))
        if not self._write(frame):
            self._enqueue(frame)

    def _leave_to_parent(self) -> None:
        """In a fork: two writers would tear each other's frames; this one has stderr."""
        self._lock, self._is_broken = threading.Lock(), True
        self._queue.clear()
        self._begun = b""

    def _break(self) -> None:
        """The pipe takes nothing more: from here on everything goes to stderr."""
        self._is_broken = True
        for frame in self._queue:
            _to_stderr(frame)
        self._queue.clear()
        self._begun = b""


def _to_stderr(frame: bytes) -> None:
    record = decode(frame[_LENGTH.size :])
    try:
        print(Layout().write(record), file=sys.__stderr__, flush=True)
    except (OSError, ValueError):
        return
