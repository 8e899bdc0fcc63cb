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
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BtcAiError(
                f"cannot write to {path.parent}: {error.strerror}; give this user the right to, "
                "or name another folder in the configuration"
            ) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "?"
            os.close(self._descriptor)
            raise BtcAiError(
                f"another daemon (process {holder}) already uses {what}; "
                "stop it with `btc-ai daemon stop`, or use it"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)
