"""Single instance: a lock file held for the life of the process, naming its holder."""

import fcntl
import os
from pathlib import Path

from btc_ai.errors import BtcAiError

BY_A_DAEMON = (
    "another daemon (process {holder}) already uses {what}; "
    "stop it with `btc-ai daemon stop`, or use it"
)


class Lock:
    """An exclusive lock on a file; the kernel lets go of it when the process ends, however."""

    def __init__(self, path: Path, what: str, taken: str = BY_A_DAEMON) -> None:
        """Take the lock. Raises BtcAiError, `taken`, naming the process that holds it."""
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
            raise BtcAiError(taken.format(holder=holder, what=what)) from None
        except OSError as error:
            os.close(self._descriptor)
            raise _unwritable(path.parent, error) from None

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def is_held(path: Path) -> bool | None:
    """Whether a process of this machine holds the lock; to try it would be to take it.

    None: that cannot be told, or there is none.
    """
    try:
        inode = path.stat().st_ino
        locks = [one.split() for one in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return None
    return any(one[1] == "FLOCK" and one[5].endswith(f":{inode}") for one in locks if len(one) > 5)


def _unwritable(folder: Path, error: OSError) -> BtcAiError:
    return BtcAiError(
        f"cannot write to {folder}: {error.strerror}; give this user the right to, "
        "or name another folder in the configuration"
    )
