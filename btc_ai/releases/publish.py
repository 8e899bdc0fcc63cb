"""Publishes what was signed, and keeps it fresh, with the online keys.

Order, for a crash at any moment: targets (`sign`), snapshot, then the timestamp, renamed over the
old one: until then, everybody is offered the old state, whole. New roots come last: the keys that
they replace sign what is offered as well, as long as they are here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from btc_ai.errors import UpdateError
from btc_ai.releases.keys import Keys
from btc_ai.releases.roots import check_targets, in_days, unpublished
from btc_ai.releases.site import Site

SNAPSHOT_DAYS, TIMESTAMP_DAYS = 30, 7
WARN_DAYS = 60


@dataclass(frozen=True)
class Published:
    """What the site offers now, until when, and what its publisher has to think of."""

    targets: int
    expires: datetime
    warnings: list[str]


def publish(site: Site, keys: Keys) -> Published:
    """Offer the newest of what was signed. Raises UpdateError where that is not whole."""
    roots = keys.roots()
    with site.locked():
        version = site.newest(Targets.type)
        if not version:
            raise UpdateError(f"nothing is signed in {site.folder}; `btc-ai release sign` does")
        targets = site.targets(version)
        check_targets(roots[-1:], targets, f"{version}.targets.json of {site.folder}")
        _check_files(site, targets.signed)
        return _renew(site, keys, roots, targets.signed)


def refresh(site: Site, keys: Keys) -> Published:
    """Confirm that what is published is still the newest; new keys wait for `publish`.

    Raises UpdateError.
    """
    with site.locked():
        version = _offered(site)
        if not version:
            raise UpdateError(
                f"nothing is published in {site.folder}; `btc-ai release publish` does"
            )
        roots = [one for one in keys.roots() if one.signed.version <= site.newest(Root.type)]
        return _renew(site, keys, roots, site.targets(version).signed)


def _offered(site: Site) -> int:
    """The version of the targets that clients are given; 0 where there are none."""
    timestamp = site.timestamp()
    if timestamp is None:
        return 0
    snapshot = site.snapshot(timestamp.signed.snapshot_meta.version)
    return snapshot.signed.meta["targets.json"].version


def _check_files(site: Site, targets: Targets) -> None:
    """That every file that was not published before is there, as it was signed."""
    before = _offered(site)
    known = site.targets(before).signed.targets if before else {}
    for path, target in targets.targets.items():
        if known.get(path) != target or not site.place(target).is_file():
            site.check(target)


def _renew(site: Site, keys: Keys, roots: list[Metadata[Root]], targets: Targets) -> Published:
    before = site.timestamp()
    snapshot = Snapshot(
        site.newest(Snapshot.type) + 1, expires=in_days(SNAPSHOT_DAYS),
        meta={"targets.json": MetaFile(targets.version)},
    )  # fmt: skip
    timestamp = Timestamp(
        before.signed.version + 1 if before else 1, expires=in_days(TIMESTAMP_DAYS),
        snapshot_meta=MetaFile(snapshot.version),
    )  # fmt: skip
    signed = Metadata(snapshot), Metadata(timestamp)
    current = unpublished(site, roots)
    for one in signed:
        _sign(keys, current, one)
    site.add(signed[0])
    site.publish(signed[1])
    for root in current:
        if root.signed.version > site.newest(Root.type):
            site.add(root)
    return Published(targets.version, timestamp.expires, _warnings(current[-1].signed, targets))


def _sign(
    keys: Keys, roots: list[Metadata[Root]], metadata: "Metadata[Snapshot] | Metadata[Timestamp]"
) -> None:
    role = metadata.signed.type
    keys.sign(metadata, role, roots)
    try:
        roots[-1].signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        raise UpdateError(
            f"the key of {role} is not in {keys.folder / 'online'}; nothing was published"
        ) from None


def _warnings(root: Root, targets: Targets) -> list[str]:
    found = []
    for signed, todo in ((root, "keygen --rotate timestamp"), (targets, "sign")):
        days = (signed.expires - datetime.now(UTC)).days
        if days < WARN_DAYS:
            found.append(
                f"{signed.type} expires in {days} days, and then nobody can update: run "
                f"`btc-ai release {todo}`, then `publish`"
            )
    return found
