"""Signs releases with the offline key: nothing of it is offered before it is published."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tuf.api.metadata import Metadata, TargetFile, Targets

from btc_ai.errors import UpdateError
from btc_ai.releases.keys import Keys
from btc_ai.releases.roots import check_targets, in_days, unpublished
from btc_ai.releases.site import Site
from btc_ai.updates.index import (
    INDEX,
    Entry,
    decode_index,
    encode_index,
    release_target,
    wheel_target,
)
from btc_ai.updates.release import Release, decode_release

TARGETS_DAYS = 365
DESCRIPTION = "release.json"
"""In the folder of a release, beside its wheels."""


def add_release(site: Site, keys: Keys, folder: Path) -> Release:
    """Sign a release that `build` made, and copy its files. Raises UpdateError."""
    release = read_release(folder)

    def change(signing: "_Signing") -> None:
        entry = Entry(release.version, release.released, release.min_from)
        if any(one.version == release.version for one in signing.entries):
            raise UpdateError(
                f"{release.version} is signed already; a release is never changed: build the next"
            )
        for wheel in release.wheels:
            path = wheel_target(wheel.sha256, wheel.filename)
            target = TargetFile.from_file(path, str(folder / "wheels" / wheel.filename), ["sha256"])
            if (target.length, target.hashes["sha256"]) != (wheel.bytes, wheel.sha256):
                raise UpdateError(f"{wheel.filename} is not what {DESCRIPTION} says; build anew")
            signing.add(target, folder / "wheels" / wheel.filename)
        signing.add_bytes(release_target(release.version), release.encode())
        signing.entries.append(entry)

    _change(site, keys, change)
    return release


def yank(site: Site, keys: Keys, version: str) -> None:
    """Sign that a release is withdrawn. Raises UpdateError where there is none of that version."""

    def change(signing: "_Signing") -> None:
        if not any(one.version == version for one in signing.entries):
            raise UpdateError(f"there is no release {version}")
        signing.entries = [
            Entry(one.version, one.released, one.min_from, one.yanked or one.version == version)
            for one in signing.entries
        ]

    _change(site, keys, change)


def renew(site: Site, keys: Keys) -> None:
    """Sign what is offered once more: it lasts TARGETS_DAYS from now, by the newest key."""
    _change(site, keys, lambda signing: None)


def read_release(folder: Path) -> Release:
    """What `build` wrote. Raises UpdateError."""
    try:
        return decode_release((folder / DESCRIPTION).read_bytes())
    except OSError as error:
        raise UpdateError(
            f"{folder} holds no release: {error.strerror}; `btc-ai release build` makes one"
        ) from None


class _Signing:
    """The next state of the signed targets."""

    def __init__(self, site: Site, targets: Targets, entries: Sequence[Entry]) -> None:
        self._site, self.targets, self.entries = site, targets, list(entries)

    def add(self, target: TargetFile, source: Path) -> None:
        self._site.put(target, source)
        self.targets.targets[target.path] = target

    def add_bytes(self, path: str, content: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            target = TargetFile.from_data(path, content, ["sha256"])
            self.add(target, Path(file.name))


def _change(site: Site, keys: Keys, change: Callable[[_Signing], None]) -> None:
    roots = keys.roots()
    with site.locked():
        version = site.newest(Targets.type)
        targets, entries = Targets(), list[Entry]()
        if version:
            before = site.targets(version)
            check_targets(roots, before, f"{version}.targets.json of {site.folder}")
            targets = before.signed
            index = targets.targets[INDEX]
            site.check(index)
            entries = list(decode_index(site.place(index).read_bytes()))
        signing = _Signing(site, targets, entries)
        change(signing)
        signing.add_bytes(INDEX, encode_index(signing.entries))
        targets.version, targets.expires = version + 1, in_days(TARGETS_DAYS)
        metadata = Metadata(targets)
        keys.sign(metadata, Targets.type, unpublished(site, roots))
        check_targets(roots[-1:], metadata, f"{targets.version}.targets.json")
        site.add(metadata)
