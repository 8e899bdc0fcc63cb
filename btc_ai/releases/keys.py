"""The keys of whoever publishes: files of their own, private, never overwritten.

KEYS/1.root.json, 2.root.json, …    the root of trust and its history
KEYS/root.json                      a copy of the newest
KEYS/offline/root-ID.pem            three; two of them sign a root
KEYS/offline/targets-ID.pem         signs releases
KEYS/online/snapshot-ID.pem         on the machine that publishes
KEYS/online/timestamp-ID.pem
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from tuf.api.metadata import Metadata, Root

from btc_ai.errors import UpdateError

OFFLINE = ("root", "targets")
ROLES = (*OFFLINE, "snapshot", "timestamp")
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"

Passphrase = Callable[[str], str]
"""Asks for the passphrase of the file of this name."""


class Keys:
    """A folder of keys; on a machine that only publishes, without `offline`."""

    def __init__(self, folder: Path, passphrase: Passphrase) -> None:
        """passphrase: is asked where a key is protected by one."""
        self.folder, self._passphrase = folder, passphrase

    def make(self, role: str, passphrase: str | None) -> Key:
        """Make a key and return its public part. passphrase: protects it, if it is kept offline."""
        private = Ed25519PrivateKey.generate()
        public = SSlibKey.from_crypto(private.public_key())
        path = self._path(role, public.keyid)
        secret = passphrase if role in OFFLINE else None
        encryption = BestAvailableEncryption(secret.encode()) if secret else NoEncryption()
        content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_new(path, content, 0o600)
        return public

    def discard(self, role: str, keys: Iterable[Key]) -> None:
        """Remove keys that were made and are not used."""
        for key in keys:
            self._path(role, key.keyid).unlink()

    def sign(self, metadata: Metadata[Any], role: str, roots: Iterable[Metadata[Root]]) -> None:
        """Sign with those keys that are here, of those that these roots name for the role."""
        named = {
            one: root.signed.keys[one] for root in roots for one in root.signed.roles[role].keyids
        }
        for key in named.values():
            if (signer := self._signer(role, key)) is not None:
                metadata.sign(signer, append=True)

    def roots(self) -> list[Metadata[Root]]:
        """Every root, oldest first. Raises UpdateError where there is none."""
        found = list[Metadata[Root]]()
        while (path := self.root_file(len(found) + 1)).is_file():
            found.append(Metadata[Root].from_bytes(path.read_bytes()))
        if not found:
            raise UpdateError(
                f"{self.folder} holds no keys; `btc-ai release keygen {self.folder}` makes them"
            )
        return found

    def root_file(self, version: int) -> Path:
        """Where a root is."""
        return self.folder / f"{version}.root.json"

    def _signer(self, role: str, key: Key) -> CryptoSigner | None:
        path = self._path(role, key.keyid)
        if not path.is_file():
            return None
        content = path.read_bytes()
        secret = self._passphrase(path.name).encode() if _ENCRYPTED in content else None
        try:
            private = load_pem_private_key(content, secret)
            assert isinstance(key, SSlibKey)
            return CryptoSigner(private, key)
        except ValueError as error:
            raise UpdateError(f"{path} cannot be used: {error}; is the passphrase right?") from None

    def _path(self, role: str, keyid: str) -> Path:
        place = "offline" if role in OFFLINE else "online"
        return self.folder / place / f"{role}-{keyid[:16]}.pem"


def write_new(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file that is not there yet, durably. Raises UpdateError where it is, or cannot be."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it never replaces what is there
        draft.unlink()
    except FileExistsError:
        raise UpdateError(f"{path} is there already, and is not overwritten") from None
    except OSError as error:
        raise UpdateError(f"cannot write {path}: {error.strerror}") from None
