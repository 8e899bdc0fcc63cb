"""Makes a backup, beside a running daemon: databases are copied as of one moment."""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from btc_ai import __version__
from btc_ai.backups.contents import Item, contents
from btc_ai.backups.manifest import FILES, MANIFEST, Entry, Manifest, hash_file
from btc_ai.config import Config
from btc_ai.durable import sync_directory, write_durably
from btc_ai.errors import BtcAiError

PARTIAL = ".partial-"
NO_POSTGRES = "the history is in HISTORY_URL's database: back it up with pg_dump"
_DATABASE_WAIT_S = 30.0


def create(config: Config, config_file: Path | None, reason: str) -> Path:
    """Make a backup in BACKUPS_DIR and return its folder, which only its owner can read.

    Whatever happens, there is a whole backup or none. Raises BtcAiError, saying what to do, where
    something cannot be read or the disk will not take it.
    """
    now = datetime.now(UTC)
    folder = _free(config.BACKUPS_DIR, now.strftime("%Y-%m-%dT%H-%M-%SZ"))
    draft = folder.with_name(f"{PARTIAL}{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.mkdir(mode=0o700)
        (draft / FILES).mkdir(mode=0o700)
        entries = [entry for item in contents(config, config_file) if (entry := _copy(item, draft))]
        notes = [NO_POSTGRES] if config.HISTORY_URL else []
        manifest = Manifest(
            now.isoformat(timespec="seconds"), __version__, reason, str(config.MODELS_DIR), notes,
            entries,
        )  # fmt: skip
        _sync_folders(draft)
        write_durably(draft / MANIFEST, manifest.encode())
        sync_directory(draft)
        draft.rename(folder)
        sync_directory(folder.parent)
    except OSError as error:
        raise BtcAiError(
            f"no backup was made: {error.filename or draft}: {error.strerror}; make space, or let "
            "BACKUPS_DIR name a folder that you may write"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _free(backups: Path, name: str) -> Path:
    """A name that no other backup has."""
    names = (name, *(f"{name}-{count}" for count in range(2, 1000)))
    return next(backups / one for one in names if not (backups / one).exists())


def _copy(item: Item, draft: Path) -> Entry | None:
    """Copy one thing; None where a run has just removed it."""
    target = draft / FILES / item.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if item.kind == "link":
            return Entry(item.name, "link", target=str(item.path.readlink()))
        mode = item.path.stat().st_mode & 0o777
        if item.kind == "database":
            _copy_database(item.path, target)
        else:
            shutil.copyfile(item.path, target)
    except FileNotFoundError:
        return None
    target.chmod(0o600)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return Entry(item.name, item.kind, target.stat().st_size, hash_file(target), mode)


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's own backup: what is committed, while others write."""
    try:
        with (
            closing(
                sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=_DATABASE_WAIT_S)
            ) as db,
            closing(sqlite3.connect(target)) as copy,
        ):
            db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise BtcAiError(
            f"{source} cannot be copied: {error}; mend it, or move it away, and try again"
        ) from None


def _sync_folders(draft: Path) -> None:
    for folder, _, _ in os.walk(draft):
        sync_directory(Path(folder))
