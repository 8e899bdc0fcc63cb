"""Single instance: a lock file held for the life of the process, naming its holder."""

import fcntl
import os
from pathlib import Path

from btc_ai.errors import BtcAiError


class Lock:
    """An exclusive lock on a file; the kernel lets go of it when the process ends, however."""

    def __init__(self, path: Path, what: str) -> None:
        """Take the lock. Raises BtcAiError naming the process that holds it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _unwritable(path.parent, error) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "?"
            os.close(self._descriptor)
            raise BtcAiError(
                f"another daemon (process {holder}) already uses {what}; "
                "stop it with `btc-ai daemon stop`, or use it"
            ) from None
        except OSError as error:
            os.close(self._descriptor)
            raise _unwritable(path.parent, error) from None

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def _unwritable(folder: Path, error: OSError) -> BtcAiError:
    return BtcAiError(
        f"cannot write to {folder}: {error.strerror}; give this user the right to, "
        "or name another folder in the configuration"
    )


def make_private(folder: Path) -> None:
    """Make the runtime folder, 0700, or keep the one there is; it may be open to its group (0750).

    Raises BtcAiError where others own it or could write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners, mode = {folder.stat().st_uid, folder.lstat().st_uid}, folder.stat().st_mode
    except OSError as error:
        raise BtcAiError(
            f"cannot make the runtime folder {folder}: {error.strerror}; "
            "name another in BTC_AI_RUNTIME_DIR"
        ) from None
    if owners != {os.geteuid()}:
        raise BtcAiError(
            f"the runtime folder {folder} belongs to another user, who could read and forge "
            "commands; remove it, or name another in BTC_AI_RUNTIME_DIR"
        )
    if mode & 0o022:
        raise BtcAiError(
            f"other users can write to the runtime folder {folder}; run `chmod 700 {folder}`, or "
            "name another in BTC_AI_RUNTIME_DIR"
        )
