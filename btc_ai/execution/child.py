"""What runs in a process of the pool: one task after the other, until the parent has no more."""

import ctypes
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection

from btc_ai.api.executor import Done, Shared, Task, attempt
from btc_ai.api.step import unexpected

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the call above


def main() -> None:
    """Say None; take sys.path and what is shared; then answer each `Task` with a `Done`."""
    number, parent = map(int, sys.argv[1:])
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = Connection(number)
    link.send(None)  # it is there, and reads
    sys.path[:] = link.recv()
    shared = link.recv()
    while True:
        link.send(_run(link.recv(), shared))


def _run(task: Task, shared: Shared) -> Done:
    try:
        return attempt(task, shared, lambda: False)
    except Exception as error:  # noqa: BLE001  # a fence: the parent hears of every failure
        traceback.print_exception(error)
        return Done(task.key, error=unexpected(error))


if __name__ == "__main__":
    main()
