"""An update server, asked: everything that it says is verified before anybody sees it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import TargetFile
from tuf.ngclient import Updater

from btc_ai.config import UpdateSystem
from btc_ai.errors import UpdateError
from btc_ai.redaction import redact_urls
from btc_ai.updates.fetcher import Fetcher
from btc_ai.updates.index import INDEX, Entry, decode_index, release_target, wheel_target
from btc_ai.updates.refusals import refusal
from btc_ai.updates.release import Release, Wheel, decode_release
from btc_ai.updates.trust import root_of_trust

LONGEST_DESCRIPTION = 4 << 20
"""Bytes; of the list of releases, and of a release's description."""


class UpdateServer:
    """Its state as of one moment. Only one at a time may use the folder `trust`."""

    def __init__(
        self,
        settings: UpdateSystem,
        trust: Path,
        received: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Fetch and verify the newest metadata. Raises UpdateError, with the reason.

        trust: the folder for metadata. received: hears of the length of each piece that arrives.
        """
        self._url, self._trust = settings.UPDATE_SERVER.rstrip("/"), trust
        self.name = redact_urls(self._url)
        self._fetcher = Fetcher(received)
        root = root_of_trust(settings)
        with self._refusing():
            trust.mkdir(parents=True, exist_ok=True)
            self._updater = Updater(
                str(trust), f"{self._url}/metadata/", fetcher=self._fetcher, bootstrap=root
            )
            self._updater.refresh()

    def releases(self) -> tuple[Entry, ...]:
        """All releases, newest first."""
        return decode_index(self._read(INDEX))

    def release(self, version: str) -> Release:
        """One of them."""
        release = decode_release(self._read(release_target(version)))
        if release.version != version:
            raise UpdateError(f"the server describes {release.version} as {version}")
        return release

    def fetch(self, wheel: Wheel, target: Path) -> None:
        """Write a wheel to `target`, verified; raises UpdateError, and OSError of the disk."""
        info = self._info(wheel_target(wheel.sha256, wheel.filename))
        if (info.length, info.hashes.get("sha256")) != (wheel.bytes, wheel.sha256):
            raise UpdateError(f"the server signs another {wheel.filename} than its release names")
        with self._refusing(), target.open("w+b") as file:
            self._fetcher.download_into(file, self._address(info), info.length)
            file.seek(0)
            info.verify_length_and_hashes(file)

    def _read(self, path: str) -> bytes:
        info = self._info(path)
        if info.length > LONGEST_DESCRIPTION:
            raise UpdateError(f"{path} of the update server is too long to be one: {info.length}")
        with self._refusing():
            content = self._fetcher.download_bytes(self._address(info), info.length)
            info.verify_length_and_hashes(content)
        return content

    def _info(self, path: str) -> TargetFile:
        with self._refusing():
            info = self._updater.get_targetinfo(path)
        if info is None:
            raise UpdateError(f"the update server {self.name} has no {path}; tell its publisher")
        return info

    def _address(self, info: TargetFile) -> str:
        return f"{self._url}/targets/{info.get_prefixed_paths()[0]}"

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (RepositoryError, DownloadError) as error:
            raise refusal(error, self.name, self._fetcher, self._trust) from None
