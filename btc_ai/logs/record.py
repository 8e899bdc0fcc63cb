"""One log record, as it is handed on and as it stands in a file: a line, then its traceback.

Whatever it holds, no record can be taken for two, or for another's: see `escape` and `INDENT`.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LEVELS = {
    "DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING,
    "ERROR": logging.ERROR, "CRITICAL": logging.CRITICAL,
}  # fmt: skip
BOUND = ("run", "bucket", "plugin", "command")
"""What is bound to records, where it is known: last of their values."""
INDENT = "\t"
"""What the lines of a traceback begin with, and no record."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"=\\]+")


@dataclass(frozen=True, slots=True)
class Record:
    """What was logged. time: Unix seconds, None where the log does not tell.

    `values` are those of the call and what is bound. `origin` is what else a LOG_FORMAT may name:
    attributes of `logging.LogRecord` (`process`, `lineno`, …).
    """

    time: float | None
    level: str
    logger: str
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> int:
        """The level's number, as in `logging`; 0 where it is not known."""
        return LEVELS.get(self.level, 0)

    @property
    def text(self) -> str:
        """The message, then its values as `key=value`, those that are bound last."""
        if not self.values:
            return self.message
        last = [key for key in BOUND if key in self.values]
        first = [key for key in self.values if key not in BOUND]
        pairs = (f"{key}={quoted(self.values[key])}" for key in first + last)
        return " ".join((self.message, *pairs))

    def to_json(self) -> dict[str, Any]:
        """As `LOG_FORMAT: "json"` writes it; values under taken names get an underscore."""
        taken = {
            "time": None if self.time is None else _iso(self.time),
            "level": self.level,
            "logger": self.logger,
            "message": self.message,
        }
        rest = {f"{key}_" if key in {*taken, "trace"} else key: v for key, v in self.values.items()}
        return {**taken, **rest, **({"trace": self.trace} if self.trace else {})}


def quoted(value: object) -> str:
    """A value of `key=value`: as it is where it is one word, in double quotes elsewhere."""
    text = str(value)
    odd = _CONTROL.search(text) is not None
    return text if not odd and _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=odd)


def escape(text: str) -> str:
    """`text` on one line, without control characters, written as Python would."""
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


def indented(trace: str) -> str:
    """The lines of a traceback, so that none can pass for a record."""
    return "\n".join(f"{INDENT}{escape(line)}" for line in trace.splitlines())


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")
