"""The daemon's keys: its own pair, and the public key and role of every client."""

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from btc_ai.bus.address import read_private, unusable
from btc_ai.errors import BtcAiError, ConfigError, UsageError

Role = Literal["viewer", "operator"]  # as in btc_ai.api.service, which is slow to load
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NO_SERVER_KEY = "make keys with `btc-ai keys new NAME --role viewer|operator`"


@dataclass(frozen=True)
class ClientKey:
    """What the daemon knows of a client. Times are ISO 8601, UTC; `revoked` None: it is valid."""

    name: str
    public: str
    role: Role
    created: str
    revoked: str | None = None


class Keys:
    """The folder KEYS_DIR: 0700, its files 0600. No client's secret key is in it."""

    def __init__(self, folder: Path) -> None:
        """Keys in `folder`, which need not be there yet."""
        self.folder = folder
        self._server, self._clients = folder / "server.json", folder / "clients"

    def server(self) -> tuple[str, str]:
        """The server's public and secret key. Raises ConfigError where there are none."""
        try:
            held = json.loads(read_private(self._server, NO_SERVER_KEY))
            public, secret = held["public"], held["secret"]
            if len(public) == len(secret) == 40:
                return public, secret
        except (ValueError, KeyError, TypeError):
            pass
        raise ConfigError(
            f"{self._server} holds no key pair; restore it from a backup, or remove {self.folder} "
            f"and {NO_SERVER_KEY}"
        )

    def add(self, name: str, role: Role) -> tuple[ClientKey, str]:
        """Make a client's key pair, and the server's on first use; the secret key is not kept.

        Raises UsageError for a name that cannot be, BtcAiError for one that is taken.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is no name of a key; use at most 64 of A-Z, a-z, 0-9, - and _, a letter "
                "or digit first"
            )
        self._make_folders()
        if not self._server.exists():
            public, secret = _pair()
            _create(self._server, {"public": public, "secret": secret})
        public, secret = _pair()
        key = ClientKey(name, public, role, _now())
        if not _create(self._clients / f"{name}.json", asdict(key)):
            raise BtcAiError(f"there is a key {name} already, or was; choose another name")
        return key, secret

    def forget(self, name: str) -> None:
        """Remove a key that was never given to anybody."""
        (self._clients / f"{name}.json").unlink(missing_ok=True)

    def revoke(self, name: str) -> ClientKey:
        """Mark a key as revoked; it stays in the list. Raises BtcAiError where there is none."""
        path = self._clients / f"{name}.json"
        if not _NAME.fullmatch(name) or not path.exists():
            raise BtcAiError(f"there is no key {name}; `btc-ai keys list` lists them")
        key = _read(path)
        if key.revoked is None:
            key = replace(key, revoked=_now())
            _replace(path, asdict(key))
        return key

    def clients(self) -> tuple[list[ClientKey], list[str]]:
        """Every client's key by name, and what is wrong with files that hold none.

        Raises BtcAiError where the folder cannot be read.
        """
        found, wrong = [], []
        try:
            names = sorted(os.listdir(self._clients))  # noqa: PTH208  # glob hides what is wrong
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise unusable(f"read {self._clients}", error) from None
        for path in (self._clients / name for name in names if name.endswith(".json")):
            try:
                found.append(_read(path))
            except ConfigError as error:
                wrong.append(str(error))
        return found, wrong

    def _make_folders(self) -> None:
        try:
            for folder in (self.folder, self._clients):
                if not folder.exists():
                    folder.mkdir(mode=0o700, parents=True)
                    _give_to_owner_of(folder.parent, folder)
                if folder.stat().st_mode & 0o077:
                    raise BtcAiError(f"others can look into {folder}; run `chmod 700 {folder}`")
        except OSError as error:
            raise unusable(f"make {self.folder}", error) from None


def _read(path: Path) -> ClientKey:
    try:
        key = ClientKey(**json.loads(path.read_text(encoding="utf-8")))
        if key.name == path.stem and key.role in get_args(Role) and len(key.public) == 40:
            return key
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError):
        pass
    raise ConfigError(f"{path} is no client's key; its client is refused. Remove it")


def _pair() -> tuple[str, str]:
    import zmq

    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _create(path: Path, values: dict[str, str | None]) -> bool:
    """Write a private file at once and whole; False where there is one already."""
    draft = _draft(path, values)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise unusable(f"write {path}", error) from None
    finally:
        draft.unlink(missing_ok=True)
    return True


def _replace(path: Path, values: dict[str, str | None]) -> None:
    _draft(path, values).replace(path)


def _draft(path: Path, values: dict[str, str | None]) -> Path:
    draft = path.with_name(f".{secrets.token_hex(8)}")
    write_private(draft, json.dumps(values, indent=4) + "\n")
    return draft


def write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read. Raises BtcAiError, also where it exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _give_to_owner_of(path.parent, path)
    except FileExistsError:
        raise BtcAiError(f"{path} is there already; name another file, or remove it") from None
    except OSError as error:
        raise unusable(f"write {path}", error) from None


def _give_to_owner_of(folder: Path, path: Path) -> None:
    """Let what root makes in another's folder belong to them: the daemon has to read its keys."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
