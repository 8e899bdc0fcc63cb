"""Repeated errors as one: the same but for numbers, names of files and ids."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from btc_ai.logs.known import Known, find_known
from btc_ai.logs.record import BOUND, Record

_VARIABLE = re.compile(
    r"(?P<path>(?<![\w/:])(?:~|\.{1,2})?/[^\s'\",:;()]+)|(?P<number>[\w-]*\d(?:[\w.,:-]*\w)?)"
)


@dataclass
class Problem:
    """Records of one kind: the newest of them, and how many there are. Times in Unix seconds."""

    newest: Record
    count: int = 0
    first: float | None = None
    last: float | None = None

    @property
    def known(self) -> Known | None:
        """What is known about it."""
        return find_known(f"{self.newest.text}\n{self.newest.trace}")

    def add(self, record: Record) -> None:
        """One more."""
        times = [one for one in (self.first, self.last, record.time) if one is not None]
        self.first, self.last = min(times, default=None), max(times, default=None)
        self.count, self.newest = self.count + 1, record

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        known = self.known
        return {
            "count": self.count, "first": self.first, "last": self.last,
            "level": self.newest.level, "logger": self.newest.logger,
            "message": self.newest.text, "error": last_line(self.newest.trace),
            "cause": known and known.cause, "todo": known and known.todo,
        }  # fmt: skip


def explain(records: Iterable[Record]) -> list[Problem]:
    """The problems, the most frequent first."""
    problems: dict[tuple[str, ...], Problem] = {}
    for record in records:
        error = normalised(last_line(record.trace))
        key = (record.level, record.logger, normalised(_message(record)), error)
        problems.setdefault(key, Problem(record)).add(record)
    return sorted(problems.values(), key=lambda one: -one.count)


def normalised(text: str) -> str:
    """`text` with a word for each path, and each number, id or hash."""
    return _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", text)


def last_line(trace: str) -> str:
    """What a traceback ends with: the exception and its message."""
    return trace.strip().rpartition("\n")[2].strip()


def _message(record: Record) -> str:
    """The text without what is bound, which differs from run to run."""
    own = {key: value for key, value in record.values.items() if key not in BOUND}
    return replace(record, values=own).text
