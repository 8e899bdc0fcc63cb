"""Makes the root of trust, and the next one where a key is replaced."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

from securesystemslib.signer import Key
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Targets

from btc_ai.durable import replace_durably
from btc_ai.errors import UpdateError
from btc_ai.releases.keys import ROLES, Keys, write_new
from btc_ai.releases.site import Site

ROOT_DAYS = 730
ROOT_KEYS, ROOT_THRESHOLD = 3, 2


def in_days(days: int) -> datetime:
    """When metadata expire that are signed now."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


def make_root(keys: Keys, passphrase: str | None) -> Metadata[Root]:
    """Make all keys and the first root. Raises UpdateError where there are keys already."""
    if keys.folder.exists() and any(keys.folder.iterdir()):
        raise UpdateError(
            f"{keys.folder} is not empty, and keys are never overwritten; name a new folder, or "
            "replace one key by --rotate ROLE"
        )
    root = Root(expires=in_days(ROOT_DAYS), consistent_snapshot=True)
    for role in ROLES:
        _new_keys(keys, root, role, passphrase)
    return _sign(keys, root, before=None)


def rotate(keys: Keys, role: str, passphrase: str | None) -> Metadata[Root]:
    """Replace the key of a role, or all three of the root; the next root lasts ROOT_DAYS anew.

    Raises UpdateError where too few of the root's keys are here.
    """
    before = keys.roots()[-1]
    root = deepcopy(before.signed)
    root.version, root.expires = root.version + 1, in_days(ROOT_DAYS)
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    made = _new_keys(keys, root, role, passphrase)
    try:
        return _sign(keys, root, before)
    except UpdateError:
        keys.discard(role, made)
        raise


def check_targets(roots: list[Metadata[Root]], targets: Metadata[Targets], what: str) -> None:
    """That one of these roots' keys signed it. Raises UpdateError."""
    for root in reversed(roots):
        try:
            root.signed.verify_delegate(Targets.type, targets.signed_bytes, targets.signatures)
        except UnsignedMetadataError:
            continue
        return
    raise UpdateError(f"{what} is not signed by the key for releases; sign it anew")


def unpublished(site: Site, roots: list[Metadata[Root]]) -> list[Metadata[Root]]:
    """The root that clients know last, and those after it: the keys of each have to sign."""
    known = site.newest(Root.type)
    return [one for one in roots if one.signed.version >= known]


def _new_keys(keys: Keys, root: Root, role: str, passphrase: str | None) -> list[Key]:
    count, threshold = (ROOT_KEYS, ROOT_THRESHOLD) if role == Root.type else (1, 1)
    made = [keys.make(role, passphrase) for _ in range(count)]
    for key in made:
        root.add_key(key, role)
    root.roles[role].threshold = threshold
    return made


def _sign(keys: Keys, root: Root, before: Metadata[Root] | None) -> Metadata[Root]:
    metadata = Metadata(root)
    delegators = [before, metadata] if before else [metadata]
    keys.sign(metadata, Root.type, delegators)
    try:
        for one in delegators:
            one.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        raise UpdateError(
            f"too few of the root's keys are in {keys.folder / 'offline'}: {ROOT_THRESHOLD} of "
            "them have to sign; nothing was changed"
        ) from None
    content = metadata.to_bytes()
    write_new(keys.root_file(root.version), content)
    replace_durably(keys.folder / "root.json", content)
    return metadata
