"""Who may see the dashboard: whoever may open the daemon's sockets, and whoever has the token."""

import hmac
import os
import pwd
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from btc_ai.bus.address import read_private, unusable
from btc_ai.dashboard.peers import uid_of
from btc_ai.errors import BtcAiError

COOKIE = "btc_ai_dashboard"
TOKEN_FILE = "dashboard.token"
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
"""Headers by which a proxy says that it asks for somebody else."""

Headers = Mapping[str, str]
End = tuple[str, int]


class Token:
    """The word that lets anybody in: a file in KEYS_DIR that its owner alone may read."""

    def __init__(self, keys_dir: Path) -> None:
        """It is made when it is first needed."""
        self.path = keys_dir / TOKEN_FILE

    def read(self) -> str:
        """The token. Raises BtcAiError where it cannot be read or made."""
        with suppress(FileExistsError):
            self._make()
        return read_private(self.path, "restart BTC-AI").strip()

    def _make(self) -> None:
        """Raises FileExistsError where it is there."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(self.path, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        except FileExistsError:
            raise
        except OSError as error:
            raise unusable(f"make {self.path}", error) from None


class Access:
    """Lets in by user, where that can be told, and by token."""

    def __init__(
        self, token: Token, is_known: Callable[[int], bool], named: frozenset[str] = frozenset()
    ) -> None:
        """is_known: whether a user needs no token. named: names under which everybody does."""
        self._token, self._is_known, self._named = token, is_known, named

    @property
    def token_file(self) -> Path:
        """Where the token is kept."""
        return self._token.path

    def who(self, headers: Headers, cookie: str, client: End, server: End) -> str | None:
        """Who asks, in words for the log; None: nobody who may."""
        if cookie and self.is_token(cookie):
            return "token"
        if headers.get("host") in self._named or any(name in headers for name in FORWARDED):
            return None
        uid = uid_of(client, server)
        return f"uid {uid}" if uid is not None and self._is_known(uid) else None

    def is_token(self, word: str) -> bool:
        """Whether it is the token. Raises BtcAiError where that cannot be read."""
        return hmac.compare_digest(word.encode(), self._token.read().encode())

    def advice(self) -> str:
        """What to say to who is not let in."""
        try:
            self._token.read()
        except BtcAiError as error:
            return f"sign in with a token, which there is not: {error}"
        return (
            "sign in: open /login?token=… with the token in "
            f"{self.token_file}. Only the daemon's own user, root and the group of its runtime "
            "folder, on this machine and not through a proxy, need none"
        )


def may_open(runtime: Path, uid: int) -> bool:
    """Whether a user may open the daemon's sockets: its own, root, and the folder's group.

    The group counts where the folder is open to it. Without a folder: this process's own user.
    """
    if uid in (0, os.geteuid()):
        return True
    with suppress(OSError, KeyError):  # no such folder, or a user whom the machine does not know
        status, user = runtime.stat(), pwd.getpwuid(uid)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        return bool(status.st_mode & stat.S_IXGRP) and status.st_gid in groups
    return False
