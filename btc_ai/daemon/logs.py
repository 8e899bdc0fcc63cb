"""structlog over the standard library: btc_ai.log, error.log and the console."""

import logging
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog

from btc_ai.config import Config, Logging
from btc_ai.daemon.systemd import stderr_is_journal
from btc_ai.errors import BtcAiError
from btc_ai.redaction import Redactor, redact

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_NAME = "btc_ai"


def start_logging(
    settings: Logging, folder: Path, *, console: bool, secrets: Iterable[str] = ()
) -> None:
    """Send every record of this process to the files in `folder`, and to stderr on `console`.

    Where stderr is the journal, it gets what is WARNING and above, and nothing twice. `secrets` are
    hidden in all of them. The audit is written whatever LEVEL says.
    Raises BtcAiError where the folder cannot be written.
    """
    root = logging.getLogger()
    stop_logging()
    root.setLevel(settings.LEVEL)
    logging.getLogger(f"{_NAME}.audit").setLevel(logging.INFO)
    layout = settings.LOG_FORMAT
    formatter = _OneRecord(
        Logging.model_fields["LOG_FORMAT"].default if layout == "json" else layout
    )
    journal = stderr_is_journal()
    for handler in _handlers(settings, folder, console and not journal):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    if journal:
        root.addHandler(_journal())
    hide_secrets(secrets)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _hide, _render],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def hide_secrets(secrets: Iterable[str]) -> None:
    """Hide these too from now on; those of before may still be in use somewhere."""
    for handler in logging.getLogger().handlers:
        if isinstance(formatter := handler.formatter, _Hiding):
            formatter.secrets |= frozenset(secrets)
            formatter.hide = Redactor(formatter.secrets)


def set_level(config: Config) -> None:
    """Log from LOGGING.LEVEL on."""
    logging.getLogger().setLevel(config.LOGGING.LEVEL)


def stop_logging() -> None:
    """Close every handler of this process."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


def logger(part: str) -> Any:
    """The logger of one part of the program."""
    return structlog.stdlib.get_logger(f"{_NAME}.{part}")


def _handlers(settings: Logging, folder: Path, console: bool) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if settings.CONSOLE_LOGGING and console:
        handlers.append(logging.StreamHandler(sys.stderr))
    if settings.FILE_LOGGING:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handlers += [_file(folder / "btc_ai.log"), _file(folder / "error.log")]
        except OSError as error:
            for opened in handlers:
                opened.close()
            raise BtcAiError(
                f"LOG_DIR {folder} cannot be written: {error.strerror}; give this user the right "
                "to, or name another folder in the configuration"
            ) from None
        handlers[-1].setLevel(logging.ERROR)
    return handlers


def _file(path: Path) -> logging.Handler:
    return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")


def _journal() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_JournalLine())
    return handler


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


def _indent(text: str) -> str:
    """The lines of a traceback, so that none can pass for a record."""
    return "\n".join(f"  {_escape(line)}" for line in text.splitlines())


class _Hiding(logging.Formatter):
    """What writes no secrets."""

    secrets: frozenset[str] = frozenset()
    hide = Redactor()


class _JournalLine(_Hiding):
    """One line a record after its priority, `<N>`; tracebacks are in the files."""

    def format(self, record: logging.LogRecord) -> str:
        severity = record.levelno
        priority = 2 if severity >= logging.CRITICAL else 3 if severity >= logging.ERROR else 4
        error = record.exc_info[1] if record.exc_info else None
        last_words = f" ({type(error).__name__}: {error})" if error else ""
        said = self.hide(f"{record.name}: {record.getMessage()}{last_words}")
        return f"<{priority}>{_escape(said)}"


class _OneRecord(_Hiding):
    """One line a record, whoever logs it, then its traceback, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        record.message = _escape(self.hide(record.message))
        trace = getattr(record, "trace", None)
        line = super().formatMessage(record)
        return f"{line}\n{_indent(self.hide(trace))}" if trace else line

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        return _indent(self.hide(super().formatException(ei)))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # logging's name
        return _indent(self.hide(stack_info))


def _hide(
    logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The event with what its keys say is secret hidden."""
    return {key: redact(value, key) for key, value in event.items()}


def _render(
    logger: object, method: str, event: structlog.typing.EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """The event, then key=value."""
    exc_info = event.pop("exc_info", None)
    trace = event.pop("traceback", None)
    words = [str(event.pop("event")), *(f"{key}={value}" for key, value in event.items())]
    return (" ".join(words),), {"exc_info": exc_info, "extra": {"trace": trace and str(trace)}}
