"""Ends what a child process started and left behind, wherever it went."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK_VARIABLE = "BTC_AI_CHILD"
ROUNDS = 5


def new_mark() -> str:
    """A value of MARK_VARIABLE for one child; what it starts inherits it."""
    return secrets.token_hex(8)


def end_descendants(group: int, mark: str) -> None:
    """Kill every process of a process group, or with `mark` in its environment.

    group: the id of a child that led a session of its own and has ended.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    for _ in range(ROUNDS):  # what forks while this looks is found in the next round
        found = list(_marked(mark))
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
