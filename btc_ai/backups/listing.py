"""The backups there are."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from btc_ai.backups.create import PARTIAL
from btc_ai.backups.manifest import Manifest, read_manifest
from btc_ai.errors import BtcAiError


@dataclass(frozen=True)
class Backup:
    """A backup's folder, and what it says of itself; None where it is damaged, for a `problem`."""

    folder: Path
    manifest: Manifest | None
    problem: str = ""


def backups(folder: Path) -> list[Backup]:
    """All backups in BACKUPS_DIR, newest first. Raises BtcAiError where it cannot be read."""
    try:
        names = [one for one in folder.iterdir() if one.is_dir()] if folder.exists() else []
    except OSError as error:
        raise BtcAiError(f"cannot read {folder}: {error.strerror}") from None
    found = [_look(one) for one in names if not one.name.startswith(PARTIAL)]
    return sorted(found, key=_order, reverse=True)


def find(folder: Path, name: str | None) -> Path:
    """A backup by its name, its path, or the newest. Raises BtcAiError where there is none."""
    if name is not None:
        path = Path(name).expanduser() if "/" in name else folder / name
        if not path.is_dir():
            raise BtcAiError(f"there is no backup {path}; see `btc-ai backup list`")
        return path
    whole = [one.folder for one in backups(folder) if one.manifest]
    if not whole:
        raise BtcAiError(f"there is no backup in {folder}; make one with `btc-ai backup create`")
    return whole[0]


def keep(folder: Path, count: int) -> list[Path]:
    """Remove all but the newest `count` whole backups; return those that were removed."""
    old = [one.folder for one in backups(folder) if one.manifest][count:]
    for one in old:
        shutil.rmtree(one)
    return old


def _look(folder: Path) -> Backup:
    try:
        return Backup(folder, read_manifest(folder))
    except BtcAiError as error:
        return Backup(folder, None, str(error))


def _order(backup: Backup) -> tuple[str, int, str]:
    """By when it was made; of one second, by the number that its name has then."""
    name, created = backup.folder.name, backup.manifest.created if backup.manifest else ""
    return created, len(name), name
