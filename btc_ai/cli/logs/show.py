"""How records are shown: as they are in a pipe, coloured and paged on a terminal, as JSON."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

import typer

from btc_ai.logs.explaining import Problem, last_line
from btc_ai.logs.reading import Entry
from btc_ai.logs.record import Record, escape

COLOURS = {"DEBUG": "bright_black", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red"}
BETWEEN = "--"


def on_terminal() -> bool:
    """Whether a person looks at the output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Lines:
    """Entries as text."""

    def __init__(self, *, as_json: bool) -> None:
        """Coloured on a terminal, unless NO_COLOR is set."""
        self._as_json = as_json
        self._on_terminal = on_terminal()
        self._colour = self._on_terminal and not os.environ.get("NO_COLOR")

    def each(self, entries: Iterable[Entry | None]) -> Iterator[str]:
        """A text for each entry, and one for what is left out between."""
        for entry in entries:
            if entry is not None:
                yield self._json(entry) if self._as_json else self._plain(entry)
            elif not self._as_json:
                yield BETWEEN

    def _json(self, entry: Entry) -> str:
        record = entry.record or Record(None, "", "", entry.text)
        return json.dumps(record.to_json(), default=str)

    def _plain(self, entry: Entry) -> str:
        """As it is in the file; on a terminal without what would control that."""
        if not self._on_terminal:
            return entry.text
        lines = [escape(line) for line in entry.text.split("\n")]
        if self._colour and (record := entry.record) and (colour := COLOURS.get(record.level)):
            lines = [typer.style(line, fg=colour) for line in lines]
        return "\n".join(lines)


def problem_lines(problems: Iterable[Problem], *, as_json: bool) -> Iterator[str]:
    """What was found of each kind of error, and what to do."""
    for one in problems:
        yield json.dumps(one.to_json(), default=str) if as_json else _told(one)


def _told(one: Problem) -> str:
    from btc_ai.cli.tables import moment

    newest = one.newest
    times = f"{moment(one.first)} … {moment(one.last)}" if one.count > 1 else moment(one.last)
    lines = [f"{one.count} × {newest.level or 'record'} {newest.logger}, {times}", newest.text]
    lines += [error] if (error := last_line(newest.trace)) else []
    if known := one.known:
        lines += [f"cause: {known.cause}", f"→ {known.todo}"]
    return "\n    ".join(map(escape, lines)) + "\n"


@contextmanager
def paged() -> Iterator[IO[str]]:
    """Where to write: $PAGER on a terminal, else less, which leaves what fits on the screen there.

    Without either, or no terminal: stdout.
    """
    command = shlex.split(os.environ.get("PAGER", "less"))
    if not on_terminal() or not command or shutil.which(command[0]) is None:
        yield sys.stdout
        return
    environment = {"LESS": "FRX", **os.environ}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, text=True, errors="replace"
    ) as pager:
        assert pager.stdin is not None
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
        try:
            with suppress(BrokenPipeError):
                yield pager.stdin
        finally:
            with suppress(BrokenPipeError):
                pager.stdin.close()
            pager.wait()
            signal.signal(signal.SIGINT, before)
