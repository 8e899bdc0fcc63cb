"""The files of LOG_DIR: what they are called, what belongs into which, and in which order.

`btc_ai.log` is being written; `btc_ai.log.2026-11-26`, then `.2026-11-26.1`, `.2`, … are what was
rolled over, named by the day it began. Either may have been compressed, and logrotate's names
(`btc_ai.log.1`, `btc_ai.log-20261126`) are known too.
"""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

MAIN, ERRORS, TRAINING, UPDATES = "btc_ai.log", "error.log", "training.log", "update.log"
LOGS = (MAIN, ERRORS, TRAINING, UPDATES)
MODE = 0o640
COMPRESSED = (".gz", ".bz2", ".xz")

_TRAINING = ("training", "transfer", "study", "evaluation", "signal")
_ROLLED = re.compile(r"\.(?P<day>\d{4}-\d\d-\d\d)(?:\.(?P<number>\d{1,9}))?(?:\.gz|\.bz2|\.xz)?")
_FOREIGN = re.compile(r"(?:\.\d{1,9}|-\d{8}(?:-\d{1,10})?)(?:\.gz|\.bz2|\.xz)?")


def belongs(name: str, logger: str, severity: int) -> bool:
    """Whether a record goes into the log of this name. logger: `btc_ai.training`, …"""
    if name == MAIN:
        return True
    if name == ERRORS:
        return severity >= 40
    return is_of(logger, _TRAINING if name == TRAINING else ("update",))


def is_of(logger: str, sources: Iterable[str]) -> bool:
    """Whether a logger is one of these parts or plugins, or one below it."""
    part = logger.removeprefix("btc_ai.")
    return any(part == source or part.startswith(f"{source}.") for source in sources)


def rolled(folder: Path, name: str) -> list[Path]:
    """The files that the log of this name was rolled into, oldest first.

    Raises OSError where the folder cannot be read.
    """
    found = [(key, path) for path in folder.iterdir() if (key := _age(path, name)) is not None]
    return [path for _, path in sorted(found)]


def all_files(folder: Path, name: str) -> list[Path]:
    """Those, and the one that is being written, last; none twice while one is compressed.

    Raises OSError, FileNotFoundError also where a file vanishes meanwhile.
    """
    current, found = folder / name, rolled(folder, name)
    plain = {path.name for path in found if path.suffix not in COMPRESSED}
    once = [path for path in found if path.suffix not in COMPRESSED or path.stem not in plain]
    return [*once, *([current] if current.is_file() else [])]


def next_name(folder: Path, name: str, day: date) -> Path:
    """What to roll the log over to, if it began on this day; never a file that is there."""
    numbers = [
        int(found["number"] or 0)
        for path in folder.iterdir()
        if (found := _match(path, name)) and found["day"] == day.isoformat()
    ]
    suffix = f".{max(numbers) + 1}" if numbers else ""
    return folder / f"{name}.{day.isoformat()}{suffix}"


def _match(path: Path, name: str) -> re.Match[str] | None:
    return _ROLLED.fullmatch(path.name.removeprefix(name)) if path.name.startswith(name) else None


def _age(path: Path, name: str) -> tuple[str, int, float] | None:
    """Sorts files by when they began, or, with another's names, by when they were written last."""
    if found := _match(path, name):
        return found["day"], int(found["number"] or 0), 0.0
    if path.name.startswith(name) and _FOREIGN.fullmatch(path.name.removeprefix(name)):
        written = path.lstat().st_mtime  # a link may lead nowhere
        return date.fromtimestamp(written).isoformat(), 0, written
    return None
