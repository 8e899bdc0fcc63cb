"""What the daemon tells systemd (sd_notify), and the check behind its watchdog."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
import zmq.asyncio

from btc_ai.api.service import Logger
from btc_ai.bus.codec import Envelope, FrameError, VersionError, decode, encode
from btc_ai.errors import BusError
from btc_ai.paths import command_socket

CHECKS_A_PERIOD = 4
"""How often the daemon checks itself before the watchdog bites."""


class Notifier:
    """Tells the service manager how the daemon is; without one, nothing."""

    def __init__(self) -> None:
        """Take the manager's address out of the environment, so that no child process has it."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        watched = os.environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        period = os.environ.pop("WATCHDOG_USEC", "0")
        self.watchdog_s = int(period) / 1e6 if watched and period.isdecimal() else 0.0
        """Seconds in which WATCHDOG=1 is expected again; 0: it is not."""
        self._is_ready = False

    @property
    def managed(self) -> bool:
        """Whether a service manager listens."""
        return bool(self._address)

    def ready(self) -> None:
        """Start-up is over."""
        self._is_ready = True
        self._send("READY=1\nSTATUS=ready")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around a reload; one that is asked for before the daemon is ready does not make it so."""
        if self._is_ready:
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if self._is_ready:
                self._send("READY=1")

    def status(self, text: str) -> None:
        """Say in one line how the daemon is, for `systemctl status`."""
        self._send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """The daemon ends."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """Hold the watchdog off for another period."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)  # a manager that is stuck must not hold the loop up
            try:
                link.sendto(text.encode(errors="replace"), self._address)
            except OSError as error:
                sys.stderr.write(f"btc-ai-daemon: systemd cannot be told: {error.strerror}\n")


def stderr_is_journal() -> bool:
    """Whether stderr goes to the journal, as systemd says in JOURNAL_STREAM."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


async def echo(runtime: Path, limit_s: float) -> None:
    """Ask this very process for its status, over its own command socket, as a client would.

    The answer shows that the bus carries commands and that every service still answers `status()`.
    Raises BusError where none comes within `limit_s` seconds, or another process gives it.
    """
    command = Envelope("daemon.status", {}, "watchdog")
    context = zmq.asyncio.Context()
    link = context.socket(zmq.DEALER)
    try:
        link.connect(f"ipc://{command_socket(runtime)}")
        await link.send(encode(command))
        reply = decode(await asyncio.wait_for(link.recv(), limit_s))
    except TimeoutError:
        raise BusError(f"the command socket does not answer within {limit_s:g} s") from None
    except (zmq.ZMQError, FrameError, VersionError) as error:
        raise BusError(f"the command socket cannot be used: {error}") from None
    finally:
        context.destroy(linger=0)
    if reply.body.get("code") == "busy":
        return  # it answers; a flood of commands is no reason to end it
    if reply.kind != "reply.result":
        raise BusError(f"daemon.status fails: {reply.body.get('message')}")
    if reply.body.get("pid") != os.getpid():
        raise BusError(f"another daemon has taken {command_socket(runtime)} over")


async def keep_watch(notifier: Notifier, runtime: Path, log: Logger) -> None:
    """Hold the watchdog off for as long as `echo` succeeds, from the event loop; for ever."""
    period = notifier.watchdog_s / CHECKS_A_PERIOD
    while True:
        try:
            await echo(runtime, period)
        except BusError as error:
            log.error("self-check failed", reason=str(error))
        else:
            notifier.alive()
        await asyncio.sleep(period)
