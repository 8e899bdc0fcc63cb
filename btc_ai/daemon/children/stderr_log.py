"""Records of a child process, as JSON lines on its stderr, which the daemon reads."""

import json
import logging
import sys
import traceback
from typing import Any


class StderrLog:
    """Log records as JSON lines on stderr, which the daemon reads and writes to its files."""

    def _record(self, level: str, event: str, values: dict[str, Any]) -> None:
        if values.pop("exc_info", False):
            values["traceback"] = traceback.format_exc()
        line = json.dumps({"level": level, "event": event, **values}, default=str)
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def debug(self, event: str, **values: Any) -> None:
        """Log at DEBUG."""
        self._record("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """Log at INFO."""
        self._record("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Log at WARNING."""
        self._record("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """Log at ERROR."""
        self._record("error", event, values)


class _Forward(logging.Handler):
    """Sends what the libraries of this process log the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record of the standard library's logging."""
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        values = {"logger": record.name}
        if record.exc_info:
            values["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        StderrLog()._record(level, record.getMessage(), values)


def forward_logging() -> None:
    """Send what the libraries of this process log, and warnings, the same way."""
    logging.basicConfig(handlers=[_Forward()], level=logging.INFO)
    logging.captureWarnings(True)
