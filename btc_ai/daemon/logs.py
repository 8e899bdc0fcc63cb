"""The daemon's logs, as LOGGING says: the writer, what is captured, and the levels in force."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from btc_ai.api.service import Body
from btc_ai.config import Config, Logging
from btc_ai.daemon.systemd import stderr_is_journal
from btc_ai.errors import BtcAiError
from btc_ai.logs.capture import ROOT, capture, release
from btc_ai.logs.console import Console, journal_line
from btc_ai.logs.inlet import Budget, Inlet
from btc_ai.logs.layout import DEFAULT, ORIGIN, Layout
from btc_ai.logs.pipe import VARIABLE
from btc_ai.logs.rolling import Rolling
from btc_ai.logs.writer import LogWriter
from btc_ai.redaction import Redactor

AUDIT = f"{ROOT}.audit"


class Logs:
    """Everything that this process and its children log, into the files and onto the console."""

    def __init__(
        self, settings: Logging, folder: Path, *, console: bool, secrets: Iterable[str] = ()
    ) -> None:
        """Capture from now on. `secrets` are hidden in whatever is written.

        Where stderr is the journal, it gets what is WARNING and above, and nothing twice. The audit
        is written whatever LEVEL says. Raises BtcAiError where the folder cannot be written.
        """
        layout = Layout(settings.LOG_FORMAT)
        self._origin = not ORIGIN.isdisjoint(layout.fields)
        self._secrets: frozenset[str] = frozenset()
        self._children: dict[Inlet, tuple[str, Callable[[int], None]]] = {}
        try:
            self._writer = LogWriter(
                folder if settings.FILE_LOGGING else None, layout, _rolling(settings),
                console=_console(settings, layout, wanted=console),
            )  # fmt: skip
        except OSError as error:
            raise BtcAiError(
                f"LOG_DIR {folder} cannot be written: {error.strerror}; give this user the right "
                "to, or name another folder in the configuration"
            ) from None
        self.hide(secrets)
        logging.getLogger(AUDIT).setLevel(logging.INFO)
        self.levels = Levels(settings.LEVEL, self._tell_children)
        capture(self._writer, settings.LEVEL, origin=self._origin)

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these too from now on; those of before may still be in use somewhere."""
        self._secrets |= frozenset(secrets)
        self._writer.hide = Redactor(self._secrets)

    def on_trouble(self, hear: Callable[[str | None], None]) -> None:
        """Call `hear` in the running loop when files cannot be written (why), and can again."""
        loop = asyncio.get_running_loop()

        def tell(why: str | None) -> None:
            loop.call_soon_threadsafe(hear, why)

        self._writer.on_trouble = tell

    def inlet(
        self, name: str, *, set_level: Callable[[int], None], bound: Mapping[str, Any],
        on_end: Callable[[], None], budget: Budget | None = None,
    ) -> Inlet:  # fmt: skip
        """A pipe for the records of a child whose logger is `name`; it is read at once.

        set_level: told the child's level (as in `logging`) when that changes.
        """

        def ended() -> None:
            self._children.pop(made, None)
            on_end()

        made = Inlet(f"{ROOT}.{name}", bound=bound, budget=budget, on_end=ended)
        self._children[made] = name, set_level
        self._writer.follow(made)
        return made

    def environment(self, name: str, inlet: Inlet) -> dict[str, str]:
        """What a child has to know to hand its records on."""
        told = {
            "fd": inlet.writing, "level": effective_level(name), "origin": self._origin,
        }  # fmt: skip
        return {VARIABLE: json.dumps(told)}

    def status(self) -> Body:
        """For `daemon.status`: the levels, records lost, and why the files cannot be written."""
        return {
            "levels": self.levels.in_force(),
            "lost": self._writer.lost,
            "trouble": self._writer.trouble,
        }

    def flush(self) -> None:
        """Wait until what has been logged is written."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and capture no more."""
        self.levels.close()
        release()
        self._writer.close()

    def _tell_children(self) -> None:
        for name, set_level in list(self._children.values()):
            set_level(effective_level(name))


class Levels:
    """From which level on is logged: everywhere, and by parts for which that was changed."""

    def __init__(self, level: str, on_change: Callable[[], None]) -> None:
        """level: LOGGING.LEVEL."""
        self._configured, self._on_change = level, on_change
        self._changed: dict[str, tuple[str, float | None, asyncio.TimerHandle | None]] = {}

    def configure(self, config: Config) -> None:
        """Take over LOGGING.LEVEL; what was changed by command stays until it is over."""
        self._configured = config.LOGGING.LEVEL
        self._apply("")

    def change(self, level: str | None, part: str = "", seconds: float | None = None) -> None:
        """Log a part (empty: everything) from `level` on, for so long; None: as configured."""
        self._forget(part)
        if level is not None:
            loop, until = asyncio.get_running_loop(), None
            handle = loop.call_later(seconds, self.change, None, part) if seconds else None
            until = time.time() + seconds if seconds else None
            self._changed[part] = level, until, handle
        self._apply(part)

    def reset(self) -> None:
        """Log everything as configured, each part too."""
        for part in ["", *self._changed]:
            self.change(None, part)

    def in_force(self) -> Body:
        """By part, each with its level and until when (Unix seconds) it holds; empty: everything.

        The latter is there always.
        """
        changed = {
            part: {"level": level, "until": until}
            for part, (level, until, _) in self._changed.items()
        }
        return {"": {"level": self._configured, "until": None}, **changed}

    def close(self) -> None:
        """Undo all changes."""
        for part in list(self._changed):
            self._forget(part)
            logging.getLogger(_logger_of(part)).setLevel(self._level(part))

    def _level(self, part: str) -> str:
        found = self._changed.get(part)
        return found[0] if found else "NOTSET" if part else self._configured

    def _apply(self, part: str) -> None:
        logging.getLogger(_logger_of(part)).setLevel(self._level(part))
        self._on_change()

    def _forget(self, part: str) -> None:
        _, _, handle = self._changed.pop(part, ("", None, None))
        if handle is not None:
            handle.cancel()


def effective_level(part: str) -> int:
    """The level in force for a part of the program."""
    return logging.getLogger(_logger_of(part)).getEffectiveLevel()


def _logger_of(part: str) -> str | None:
    return f"{ROOT}.{part}" if part else None


def _rolling(settings: Logging) -> Rolling:
    size = int(settings.MAX_FILE_SIZE_MB * (1 << 20))
    return Rolling(size, settings.ROTATION_WHEN, settings.BACKUP_COUNT)


def _console(settings: Logging, layout: Layout, *, wanted: bool) -> Console | None:
    if stderr_is_journal():
        return Console(sys.stderr, journal_line, logging.WARNING)
    if not (wanted and settings.CONSOLE_LOGGING):
        return None
    return Console(sys.stderr, (Layout(DEFAULT) if layout.is_json else layout).write)
