"""Signals to processes that asyncio has started."""

import os
import signal
from asyncio.subprocess import Process
from contextlib import suppress


def send_signal(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended.

    `Process.send_signal` and `kill` look first whether it has, and thereby take its exit status
    away from asyncio, which then warns of an unknown child and reports 255.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
