"""Whom updates are taken from: the root of trust that this build was made with, or one's own."""

from pathlib import Path

from btc_ai.config import UpdateSystem
from btc_ai.errors import UpdateError

SHIPPED_ROOT = Path(__file__).with_name("root.json")
"""Put there by `btc-ai release build --root FILE`."""


def root_of_trust(settings: UpdateSystem) -> bytes:
    """The root metadata by which everything is verified. Raises UpdateError where there is none."""
    path = settings.TRUSTED_ROOT or SHIPPED_ROOT
    try:
        return path.read_bytes()
    except OSError as error:
        if settings.TRUSTED_ROOT is None:
            raise UpdateError(
                "this build trusts no update server: it was made without a root of trust; install "
                "a published release, or let UPDATE_SYSTEM.TRUSTED_ROOT name the root.json of a "
                "server of your own"
            ) from None
        raise UpdateError(
            f"UPDATE_SYSTEM.TRUSTED_ROOT {path} cannot be read: {error.strerror}"
        ) from None
