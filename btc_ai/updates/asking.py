"""Asks an update server by way of a child process, which is ended when it takes too long."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO, Any

from btc_ai.errors import UpdateError
from btc_ai.redaction import redact_urls
from btc_ai.updates.offer import Offer, Received, Request, read_offer

LOOK_S = 120.0
"""How long it may take to ask, whatever the server does."""
SLOWEST_BYTES_A_SECOND = 50_000
"""A download may take LOOK_S more, and so long as this rate takes."""
_GRACE_S = 2.0


class _OverdueError(Exception):
    """The time is over."""


def ask(
    asked: Request,
    received: Callable[[Received], None] = lambda _: None,
    limit_s: float | None = None,
) -> Offer:
    """The answer. received: hears how far a download is. limit_s: instead of what is usual.

    Raises UpdateError, with the reason. Must be called in a thread that outlives the call: the
    child ends with it.
    """
    command = [sys.executable, "-P", "-m", "btc_ai.updates.download", str(os.getpid())]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert child.stdin and child.stdout and child.stderr
    try:
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(asdict(asked)).encode())
        return _listen(child.stdout, received, limit_s)
    except _OverdueError:
        raise UpdateError(
            f"the update server {redact_urls(asked.settings['UPDATE_SERVER'])} is too slow: it was "
            "given up; try again later, or give it longer by --timeout SECONDS; what is whole is "
            "kept"
        ) from None
    except EOFError:
        _end(child)
        said = child.stderr.read().decode(errors="replace").strip() or "it said nothing"
        raise UpdateError(
            f"the process that asks the update server ended: {said.splitlines()[-1]}"
        ) from None
    finally:
        _end(child)
        child.stdout.close()
        child.stderr.close()


def _listen(
    stdout: IO[bytes], received: Callable[[Received], None], limit_s: float | None
) -> Offer:
    deadline = _Deadline(time.monotonic() + (limit_s or LOOK_S), fixed=limit_s is not None)
    for line in _lines(stdout.fileno(), deadline):
        if "error" in line:
            raise UpdateError(line["error"])
        if "offer" in line:
            return read_offer(line["offer"])
        now = Received(**line["received"])
        deadline.allow(now.total)
        received(now)
    raise EOFError


@dataclass
class _Deadline:
    """When a child is given up; the beginning of a download moves it, once."""

    end: float
    fixed: bool

    def allow(self, total: int) -> None:
        if not self.fixed:
            self.end = time.monotonic() + LOOK_S + total / SLOWEST_BYTES_A_SECOND
            self.fixed = True


def _lines(descriptor: int, deadline: _Deadline) -> Iterator[dict[str, Any]]:
    """The JSON lines of a pipe. Raises _OverdueError where they do not end in time."""
    buffer = b""
    while True:
        while b"\n" in buffer:
            line, _, buffer = buffer.partition(b"\n")
            yield json.loads(line)
        rest = deadline.end - time.monotonic()
        if rest <= 0 or not select.select([descriptor], [], [], rest)[0]:
            raise _OverdueError
        if not (piece := os.read(descriptor, 1 << 16)):
            return
        buffer += piece


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End it, if it has not ended; it may tidy up for a moment."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
