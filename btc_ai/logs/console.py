"""A stream that log records are written to besides the files: the terminal, or the journal."""

import re
from collections.abc import Callable
from typing import TextIO

from btc_ai.logs.record import Record, escape

_STACK = re.compile(r"^(?:  .*|Traceback .*)\n?", re.MULTILINE)

Hide = Callable[[str], str]
Line = Callable[[Record, Hide], str]


class Console:
    """Writes records of `lowest` and above to a stream."""

    def __init__(self, stream: TextIO, line: Line, lowest: int = 0) -> None:
        """line: what a record looks like there."""
        self._stream, self._line, self._lowest = stream, line, lowest

    def put(self, record: Record, hide: Hide) -> None:
        """Write the record without secrets; a stream that is closed or full gets none."""
        if record.severity < self._lowest:
            return
        try:
            self._stream.write(f"{self._line(record, hide)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            return


def journal_line(record: Record, hide: Hide) -> str:
    """One line after its priority, `<N>`, as journald takes it; tracebacks are in the files."""
    severity = record.severity
    priority = 2 if severity >= 50 else 3 if severity >= 40 else 4
    *_, last = _STACK.split(record.trace.strip())
    last_words = f" ({last})" if last else ""
    return f"<{priority}>{escape(hide(f'{record.logger}: {record.text}{last_words}'))}"
