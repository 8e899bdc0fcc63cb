"""Can the folders be written, is there space, and what lies in them that should not?"""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from btc_ai.cli.doctor.findings import Finding, Look, ok, warning, wrong
from btc_ai.paths import SYSTEM_CONFIG, command_socket, event_socket, lock_file

WARN_FREE, LEAST_FREE = 1 << 30, 100 << 20
WARN_INODES, LEAST_INODES = 10_000, 100
KEPT_FILES = ("journal.sqlite3", "trials.jsonl", "transfers.jsonl", "btc_ai.log", "error.log")


def _folders(look: Look) -> dict[str, Path]:
    names = ("MODELS_DIR", "DATA_DIR", "LOG_DIR", "KEYS_DIR", "BACKUPS_DIR")
    return {name: getattr(look.config, name) for name in names}


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that this user can see."""
    return next(one for one in (folder, *folder.parents) if os.access(one, os.F_OK))


def permissions(look: Look) -> Iterator[Finding]:
    """Every folder can be written, or made, and what lies in it is this user's to write."""
    for name, folder in _folders(look).items():
        there = _nearest(folder)
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            if name != "DATA_DIR" and _is_the_services(look, there):
                yield ok(f"{name} is the service's to write", folder)
                continue
            text = f"{name} cannot be {'written' if there == folder else 'made'}: {error.strerror}"
            todo = f"give this user the right to write to {there}, or name another folder"
            yield wrong(text, folder, todo=todo)
            continue
        closed = [one for one in KEPT_FILES if _is_closed(folder / one)]
        for one in closed:
            todo = "give it back to this user: it was written by another, root perhaps"
            yield wrong(f"{one} in {name} cannot be written", folder / one, todo=todo)
        if not closed:
            yield ok(f"{name} can be {'written' if there == folder else 'made'}", folder)


def _is_the_services(look: Look, folder: Path) -> bool:
    """Whether the service of the machine keeps a folder: its group imports candles, no more."""
    return look.here.config_file == SYSTEM_CONFIG and folder.stat().st_uid != os.geteuid()


def _is_closed(path: Path) -> bool:
    return os.access(path, os.F_OK) and not os.access(path, os.W_OK)


def keys(look: Look) -> Iterator[Finding]:
    """Nobody else can read the keys."""
    folder = look.config.KEYS_DIR
    files = [folder, *folder.rglob("*")] if folder.is_dir() else []
    open_ones = [one for one in files if one.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    for path in open_ones:
        yield wrong("others can reach the keys", path, todo=f"chmod -R go= {folder}")
        return
    yield ok("nobody else can read the keys" if files else "there are no keys", folder)


def runtime(look: Look) -> Iterator[Finding]:
    """The folder of the sockets is this user's alone."""
    folder = look.here.runtime
    if not folder.exists():
        yield ok("will be made when a daemon starts", folder)
    elif folder.stat().st_uid not in (os.geteuid(), 0) and look.daemon is None:
        todo = "name another folder in BTC_AI_RUNTIME_DIR"
        yield wrong("the runtime folder belongs to another user", folder, todo=todo)
    elif folder.stat().st_mode & 0o022:
        todo = f"chmod go-w {folder}"
        yield wrong("other users can write to the runtime folder", folder, todo=todo)
    else:
        yield ok("the runtime folder is closed to others", folder)


def space(look: Look) -> Iterator[Finding]:
    """There is space, and there are inodes, on each disk."""
    seen: dict[int, str] = {}
    for name, folder in _folders(look).items():
        there = _nearest(folder)
        device = there.stat().st_dev
        if device not in seen:
            seen[device] = name
            yield from _space(name, there)


def _space(name: str, folder: Path) -> Iterator[Finding]:
    disk = os.statvfs(folder)
    free, inodes = disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else WARN_INODES
    text = f"{free / 1e9:.2f} GB and {inodes:,} inodes free on the disk of {name}"
    if free < LEAST_FREE or inodes < LEAST_INODES:
        yield wrong(text, folder, todo="make space, or move the folder to another disk")
    elif free < WARN_FREE or inodes < WARN_INODES:
        yield warning(text, folder, todo="make space before it is full")
    else:
        yield ok(f"{free / 1e9:.0f} GB free on the disk of {name}", folder)


def leftovers(look: Look) -> Iterator[Finding]:
    """No socket without a daemon, and no daemon that holds the lock and does not answer."""
    from btc_ai.bus.client import daemon_listens

    folder = look.here.runtime
    if daemon_listens(folder):
        yield ok("the sockets are a running daemon's", folder)
        return
    holder = _holder(lock_file(folder))
    if holder is not None:
        text = f"process {holder} holds the lock, and no daemon listens"
        yield wrong(text, lock_file(folder), todo=f"wait, or end it: kill {holder}")
    stale = [one for one in (command_socket(folder), event_socket(folder)) if one.exists()]
    for path in stale if holder is None else ():
        todo = "none needed: the next daemon replaces it; or remove it"
        yield warning("a socket nobody listens on: its daemon was killed", path, todo=todo)
    if not stale and holder is None:
        yield ok("no stale sockets or locks", folder)


def _holder(path: Path) -> int | None:
    """The process that holds the lock on a file, as the kernel lists it (proc(5))."""
    if not path.exists():
        return None
    inode = str(path.stat().st_ino)
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
            return int(fields[4])
    return None
