"""Every record of this process, whoever logs it, into one sink: structlog, logging, warnings.

In the daemon the sink is the writer, in its children the pipe to it. `run`, `bucket`, `plugin` and
`command` are bound by `structlog.contextvars`, and so part of whatever is logged meanwhile.
"""

import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import structlog
from structlog.contextvars import get_contextvars

from btc_ai.logs.layout import CALL_SITE
from btc_ai.logs.record import LEVELS, Record
from btc_ai.redaction import redact

ROOT = "btc_ai"
_NAMES = {number: name for name, number in LEVELS.items()}
_OWN = ("event", "exc_info", "stack_info")


class Sink(Protocol):
    """What takes records."""

    def put(self, record: Record) -> None:
        """Take one; it returns at once."""


def capture(sink: Sink, level: str | int, *, origin: bool = False) -> None:
    """Send what is logged in this process from `level` on to `sink`.

    origin: tell with each record where in the program it was logged, which costs a little.
    """
    release()
    root = logging.getLogger()
    root.setLevel(level)
    root.addHandler(_Handler(sink, origin))
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _Hand(sink, origin)],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def release() -> None:
    """Capture no more."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(handler)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__


def logger(part: str) -> Any:
    """The logger of one part of the program: a structlog logger under `btc_ai.`."""
    return structlog.stdlib.get_logger(f"{ROOT}.{part}")


def level_of(severity: int) -> str:
    """The name of a level, or of the next below it."""
    return _NAMES.get(severity) or _NAMES[max([10, *(one for one in _NAMES if one <= severity)])]


class _Hand:
    """structlog's last processor: makes the record, and hands it to the sink."""

    def __init__(self, sink: Sink, origin: bool) -> None:
        self._sink, self._origin = sink, origin

    def __call__(self, log: Any, method: str, event: structlog.typing.EventDict) -> Any:
        level = "ERROR" if method == "exception" else method.upper()
        trace = _trace(event.get("exc_info"))
        origin = _origin(_caller()) if self._origin else {}
        values = get_contextvars()
        values |= {key: redact(one, key) for key, one in event.items() if key not in _OWN}
        text = str(event["event"])
        self._sink.put(Record(time.time(), level, log.name, text, values, trace, origin))
        raise structlog.DropEvent


class _Handler(logging.Handler):
    """What is logged by the standard library's means."""

    def __init__(self, sink: Sink, origin: bool) -> None:
        super().__init__()
        self._sink, self._origin = sink, origin

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on; one whose arguments do not fit its text, as its text alone."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            text = str(record.msg)
        trace = _trace(record.exc_info)
        if record.stack_info:
            trace = f"{trace}\n{record.stack_info}".strip()
        level, name = level_of(record.levelno), record.name
        values = get_contextvars()
        origin = _origin(_site(record)) if self._origin else {}
        self._sink.put(Record(record.created, level, name, text, values, trace, origin))


def _trace(exc_info: Any) -> str:
    """The traceback of `exc_info` as loggers take it: True, an exception, or a triple."""
    if not exc_info:
        return ""
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    found = exc_info if isinstance(exc_info, tuple) else sys.exc_info()
    return "".join(traceback.format_exception(*found)).rstrip() if found[0] else ""


def _origin(site: Mapping[str, Any]) -> dict[str, Any]:
    thread = threading.current_thread()
    return {"process": os.getpid(), "thread": thread.ident, "threadName": thread.name, **site}


def _site(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in CALL_SITE}


def _caller() -> dict[str, Any]:
    """Where a structlog logger was called."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith(("structlog", __name__)):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    return {
        "pathname": str(path), "filename": path.name, "module": path.stem,
        "lineno": frame.f_lineno, "funcName": frame.f_code.co_name,
    }  # fmt: skip


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger("uncaught").error("the program ends", exc_info=(kind, error, trace))
    sys.__excepthook__(kind, error, trace)


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and found.exc_type is not SystemExit:
        name = found.thread.name if found.thread else ""
        logger("uncaught").error("a thread ends", thread=name, exc_info=found.exc_value)
