"""LOG_FORMAT: how a record becomes lines of a file, and lines a record again."""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from btc_ai.logs.record import BOUND, INDENT, LEVELS, Record, escape, indented

DEFAULT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
JSON = "json"
CALL_SITE = frozenset({"pathname", "filename", "module", "lineno", "funcName"})
ORIGIN = CALL_SITE | {"process", "thread", "threadName"}

_FIELD = re.compile(r"%(?:\((?P<name>\w+)\))?(?P<flags>[#0\- +]*\d*(?:\.\d+)?)(?P<type>[a-zA-Z%])")
_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
_VALUE = rf" ({'|'.join(BOUND)})=(\"(?:[^\"\\]|\\.)*\"|[^\s\"=\\]+)"
_BOUND_VALUE, _LAST_VALUES = re.compile(_VALUE), re.compile(rf"(?:{_VALUE})+\Z")


class Layout:
    """One LOG_FORMAT, `json` among them. What `write` writes, `read` reads."""

    def __init__(self, log_format: str = DEFAULT) -> None:
        """log_format: valid, as the configuration has it."""
        self.log_format = log_format
        self.is_json = log_format == JSON
        parts = [] if self.is_json else list(_FIELD.finditer(log_format))
        self.fields = frozenset(part["name"] for part in parts if part["name"])
        self._levels = _levels(parts)
        self._line = None if self.is_json else re.compile(self._pattern(parts), re.DOTALL)

    @property
    def has_time(self) -> bool:
        """Whether its lines tell when."""
        return self.is_json or not self.fields.isdisjoint({"asctime", "created"})

    @property
    def has_level(self) -> bool:
        """Whether its lines tell the level."""
        return self.is_json or bool(self._levels)

    @property
    def has_logger(self) -> bool:
        """Whether its lines tell who logged."""
        return self.is_json or "name" in self.fields

    def level_texts(self, lowest: int) -> list[str]:
        """How levels from `lowest` on are written; a line of such a record contains one of them."""
        if self.is_json:
            return [name for name, number in LEVELS.items() if number >= lowest]
        return [text.strip() for text, name in self._levels.items() if LEVELS[name] >= lowest]

    def write(self, record: Record, hide: Callable[[str], str] = str) -> str:
        """The record's lines, the last without its end. hide: takes secrets out of text."""
        trace = hide(record.trace) if record.trace else ""
        if self.is_json:
            known = {"message": hide(record.message), **({"trace": trace} if trace else {})}
            return hide(json.dumps({**record.to_json(), **known}, default=str))
        line = escape(self.log_format % _attributes(record, hide(record.text)))
        if line.startswith(INDENT):
            line = f"\\t{line[1:]}"
        return f"{line}\n{indented(trace)}" if trace else line

    def read(self, line: str, trace: str = "") -> Record | None:
        """The record that a line, with the lines after it, stands for; None: it is none."""
        if self.is_json:
            return _from_json(line, trace)
        assert self._line is not None
        if line.startswith(INDENT) or (found := self._line.fullmatch(line)) is None:
            return None
        groups = found.groupdict()
        message, bound = _without_bound(groups["message"])
        return Record(
            _time(groups),
            self._level(groups),
            (groups.get("name") or "").strip(),
            message,
            bound,
            trace,
        )

    def begins(self, line: str) -> bool:
        """Whether a record begins with this line, as `read` has it, but sooner."""
        if self._line is None:
            return _from_json(line, "") is not None
        return not line.startswith(INDENT) and self._line.fullmatch(line) is not None

    def time(self, line: str) -> float | None:
        """When the record was logged that begins with this line, as `read` has it, but sooner."""
        if self._line is None:
            return record.time if (record := _from_json(line, "")) else None
        return _time(found.groupdict()) if (found := self._line.fullmatch(line)) else None

    def _level(self, groups: Mapping[str, str]) -> str:
        text = groups.get("levelname") or groups.get("levelno")
        return self._levels.get(text, text.strip()) if text else ""

    def _pattern(self, parts: list[re.Match[str]]) -> str:
        pattern, end, seen = "", 0, set[str]()
        for part in parts:
            pattern += re.escape(self.log_format[end : part.start()])
            pattern += self._field(part, seen)
            end = part.end()
        return pattern + re.escape(self.log_format[end:])

    def _field(self, part: re.Match[str], seen: set[str]) -> str:
        name = part["name"]
        if part["type"] == "%":
            return "%"
        if name in {"levelname", "levelno"}:
            inner = "|".join(re.escape(text) for text in self._levels) or ".*?"
        else:
            inner = {"asctime": rf" *{_STAMP} *", "message": ".*"}.get(name, ".*?")
        if name in seen:
            return f"(?:{inner})"
        seen.add(name)
        return f"(?P<{name}>{inner})"


def _levels(parts: list[re.Match[str]]) -> dict[str, str]:
    """How the layout writes each level, where that tells them apart."""
    for part in parts:
        if part["name"] in {"levelname", "levelno"}:
            spec = f"%{part['flags']}{part['type']}"
            by_name = part["name"] == "levelname"
            texts = {spec % (name if by_name else number): name for name, number in LEVELS.items()}
            if len(texts) == len(LEVELS):
                return texts
    return {}


def _attributes(record: Record, text: str) -> dict[str, Any]:
    """What a LOG_FORMAT may name, as `logging.LogRecord` has it."""
    created = record.time or 0.0
    return {
        "pathname": "", "filename": "", "module": "", "lineno": 0, "funcName": "",
        "process": 0, "processName": "", "thread": 0, "threadName": "", "taskName": None,
        "relativeCreated": 0.0, "args": (), "msg": record.message, "exc_info": None,
        "exc_text": None, "stack_info": None,
        **record.origin,
        "asctime": stamp(created), "created": created, "msecs": created % 1 * 1000 // 1,
        "name": record.logger, "levelname": record.level, "levelno": record.severity,
        "message": text,
    }  # fmt: skip


def stamp(when: float) -> str:
    """Local time as `%(asctime)s` has it: to the millisecond, without the zone."""
    second = int(when // 1)
    return f"{_second(second)},{int((when - second) * 1000):03d}"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


def _time(groups: Mapping[str, str]) -> float | None:
    try:
        if text := groups.get("asctime"):
            text = text.strip()
            return _minute(text[:16]) + int(text[17:19]) + int(text[20:]) / 1000
        if text := groups.get("created"):
            return float(text)
    except ValueError:
        return None
    return None


@lru_cache(maxsize=4096)
def _minute(text: str) -> float:
    """The Unix time of a local minute; of the two of an hour that comes twice, the first."""
    return datetime.fromisoformat(text).timestamp()


def _from_json(line: str, after: str) -> Record | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
        when = found.pop("time")
        known = {key: found.pop(key) for key in ("level", "logger", "message")}
        at = None if when is None else datetime.fromisoformat(when).timestamp()
        trace = str(found.pop("trace", ""))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in known.values()):
        return None
    return Record(at, **known, values=found, trace="\n".join(filter(None, (trace, after))))


def _without_bound(message: str) -> tuple[str, dict[str, str]]:
    """A message's text without the bound values at its end, and these."""
    if "=" not in message or (found := _LAST_VALUES.search(message)) is None:
        return message, {}
    bound = {key: _unquoted(value) for key, value in _BOUND_VALUE.findall(found.group())}
    return message[: found.start()], bound


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
