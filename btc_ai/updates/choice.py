"""Which release may be updated to: the newest that suits this machine, or the one asked for."""

import platform
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from btc_ai.errors import UpdateError
from btc_ai.updates.index import Entry
from btc_ai.updates.release import Release


@dataclass(frozen=True)
class Wanted:
    """What is asked for. version: None for the newest; bad: versions that failed here before."""

    current: str
    version: str | None = None
    allow_downgrade: bool = False
    bad: Collection[str] = ()


def candidates(entries: Sequence[Entry], wanted: Wanted, notes: list[str]) -> Iterator[Entry]:
    """Releases that may be updated to, best first; `notes` hears why others may not.

    Raises UpdateError where the version asked for is none of them.
    """
    if wanted.version is not None:
        yield _asked_for(entries, wanted)
        return
    current = Version(wanted.current)
    if any(one.yanked and one.version == wanted.current for one in entries):
        notes.append(f"{wanted.current}, which is installed, was withdrawn by its publisher")
    for one in entries:
        version = Version(one.version)
        if version <= current or (version.is_prerelease and not current.is_prerelease):
            continue
        if reason := _against(one, wanted):
            notes.append(reason)
        else:
            yield one


def unsuited(release: Release) -> str | None:
    """Why a release does not run on this machine, if it does not."""
    python = platform.python_version()
    if not SpecifierSet(release.python).contains(python, prereleases=True):
        return f"{release.version} needs Python {release.python}; this is {python}"
    here = set(sys_tags())
    for one in release.wheels:
        if here.isdisjoint(parse_wheel_filename(one.filename)[3]):
            return f"{release.version} is for other machines: {one.filename} does not run here"
    return None


def _asked_for(entries: Sequence[Entry], wanted: Wanted) -> Entry:
    found = next((one for one in entries if one.version == wanted.version), None)
    if found is None:
        known = ", ".join(one.version for one in entries[:10] if not one.yanked) or "none"
        raise UpdateError(f"the update server has no release {wanted.version}; it has {known}")
    lower = Version(found.version) < Version(wanted.current)
    if lower and not wanted.allow_downgrade:
        raise UpdateError(
            f"{found.version} is older than {wanted.current}, which is installed; if that is "
            "meant, add --allow-downgrade"
        )
    if reason := _against(found, Wanted(wanted.current)):
        raise UpdateError(reason)
    return found


def _against(entry: Entry, wanted: Wanted) -> str | None:
    if entry.yanked:
        return f"{entry.version} was withdrawn by its publisher"
    if Version(entry.min_from) > Version(wanted.current):
        return (
            f"{entry.version} can be installed over {entry.min_from} or newer; update "
            f"{wanted.current} to one of those first"
        )
    if entry.version in wanted.bad:
        return (
            f"{entry.version} did not work here before; to try it again, ask for it by "
            f"--version {entry.version}"
        )
    return None
