"""Single keys from a terminal, without a line's end."""

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def pressed() -> Iterator[Callable[[], str]]:
    """What has been typed since the last look; nothing, ever, where stdin is no terminal."""
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def look() -> str:
        ready, _, _ = select.select([stdin], [], [], 0)
        return os.read(stdin, 64).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(stdin)
        yield look
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
