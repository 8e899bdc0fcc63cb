"""What training leaves in MODELS_DIR, read for what events did not tell."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CARD = "model.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
NO_BUCKETS = ("reports", "studies")
"""Folders beside those of the buckets; so are those whose names begin with `.` or `_`."""
MOST = 2**31 - 1
LONGEST_LINE = 1 << 16
LARGEST_OBJECT = 2 << 20
"""Bytes; what is larger is none of ours, and could fill the memory."""


@dataclass(frozen=True)
class Episode:
    """The metrics of an episode. time: when it ended, seconds since 1970; None: not known."""

    number: int
    time: float | None
    metrics: Mapping[str, Any]


def model_folders(models_dir: Path, problems: list[str]) -> Iterator[Path]:
    """The folders in MODELS_DIR/BUCKET/, whatever they hold; what is closed goes to `problems`."""
    for bucket in _listed(models_dir, problems):
        if bucket.is_dir() and bucket.name not in NO_BUCKETS and bucket.name[0] not in "._":
            for place in _listed(bucket, problems):
                if place.is_dir() and not place.is_symlink():
                    yield place


def _listed(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(Path(one.path) for one in os.scandir(folder))
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return []


def scratch_of(directory: str) -> str:
    """Where the twin of the run in `directory` is kept."""
    return f"{directory}-scratch"


def read_episodes(directory: str, after: int) -> Iterator[Episode | None]:
    """The episodes after one that a folder knows, as they are read; None: a line that is none.

    A last line without its end is still being written, and may be left out.
    """
    with suppress(OSError), Path(directory, METRICS).open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            episode = _episode(line)
            if episode is None and (line.endswith(b"\n") or len(line) == LONGEST_LINE):
                yield None
            elif episode is not None and episode.number > after:
                yield episode


def newest_metrics(directory: Path) -> Mapping[str, Any]:
    """Those of the last episode that a folder knows; empty where it knows none."""
    try:
        with (directory / METRICS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE))
            lines = file.read(LONGEST_LINE).splitlines()
    except OSError:
        return {}
    found = (_episode(line) for line in reversed(lines))
    return next((one.metrics for one in found if one is not None), {})


def _episode(line: bytes) -> Episode | None:
    with suppress(LookupError, TypeError, ValueError, RecursionError):
        row = json.loads(line)
        return Episode(checked_number(row["episode"]), None, row)
    return None


def checked_number(episode: object) -> int:
    """The number of an episode. Raises ValueError where it is none."""
    if not isinstance(episode, int) or not 0 < episode <= MOST:
        raise ValueError(f"{episode!r} is no number of an episode")
    return episode


def read_card(folder: Path) -> dict[str, Any] | None:
    """The card of the model in a folder; None where there is none, or another program's."""
    card = read_object(folder / CARD)
    return card if card is not None and isinstance(card.get("bucket"), str) else None


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_OBJECT:
            return None
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_transfers(ledger: Path) -> list[dict[str, Any]]:
    """All transfers of a ledger, newest first; the lines with one id are put together.

    Torn lines are left out. Raises OSError where there is a ledger that cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        with ledger.open("rb") as file:
            for row in filter(None, map(_transfer, file)):
                before = found.setdefault(row["id"], {})
                time = before.get("time", row.get("time"))
                found[row["id"]] = {**before, **row, "time": time}
    except FileNotFoundError:
        return []
    return [row for row in reversed(found.values()) if "source" in row]


def _transfer(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("id"), str) else None
