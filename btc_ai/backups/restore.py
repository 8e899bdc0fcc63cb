"""Puts a backup back, after another of what is there now: nothing is lost either way."""

import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from btc_ai.backups.contents import CONFIG, place
from btc_ai.backups.create import create
from btc_ai.backups.manifest import FILES, Entry, faults, read_manifest
from btc_ai.config import Config
from btc_ai.durable import sync_directory
from btc_ai.errors import BtcAiError

STAGED = ".restored-"


@dataclass(frozen=True)
class Restored:
    """What was put back, and the backup of what was there before."""

    names: list[str]
    before: Path


def restore(
    folder: Path, config: Config, config_file: Path | None, *, configuration: bool = True
) -> Restored:
    """Put back what a backup holds; what it does not hold stays as it is.

    The daemon of MODELS_DIR must not run: hold its lock. configuration: the file too. Everything is
    checked and copied beside its place first, then renamed, so that what can fail fails before
    anything has changed; where a rename yet fails, doing it again completes it. Raises BtcAiError.
    """
    manifest = read_manifest(folder)
    if wrong := faults(folder, manifest):
        raise BtcAiError("\n  ".join([f"{folder} is damaged; nothing was changed:", *wrong]))
    wanted = [one for one in manifest.entries if configuration or not one.name.startswith(CONFIG)]
    places = {one.name: place(one.name, config, config_file) for one in wanted}
    before = create(config, config_file, f"before restoring {folder.name}")
    staged: dict[Path, Path] = {}
    try:
        for entry in wanted:
            target = places[entry.name]
            staged[_stage(folder, entry, target)] = target
        for draft, target in staged.items():
            _put(draft, target)
    except OSError as error:
        raise BtcAiError(
            f"{error.filename}: {error.strerror}; mend that and restore again. What was there "
            f"before is in {before}"
        ) from None
    finally:
        for draft in staged:
            draft.unlink(missing_ok=True)
    return Restored([entry.name for entry in wanted], before)


def _stage(folder: Path, entry: Entry, target: Path) -> Path:
    """Copy a part to beside its place, with its mode and the owner of what it replaces."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{STAGED}{os.getpid()}-{target.name}")
    draft.unlink(missing_ok=True)
    if entry.kind == "link":
        draft.symlink_to(entry.target)
    else:
        shutil.copyfile(folder / FILES / entry.name, draft)
        draft.chmod(stat.S_IMODE(entry.mode))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
    if os.geteuid() == 0:
        owner = (target if target.exists() else target.parent).stat()
        os.chown(draft, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return draft


def _put(draft: Path, target: Path) -> None:
    """Rename into place; what SQLite kept beside the database it replaces goes first."""
    if target.suffix == ".sqlite3":
        for rest in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                target.with_name(target.name + rest).unlink()
    draft.replace(target)
    sync_directory(target.parent)
