"""What is known of updates without asking anybody."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from packaging.version import Version

from btc_ai import __version__
from btc_ai.config import UpdateSystem
from btc_ai.errors import UpdateError
from btc_ai.redaction import redact_urls
from btc_ai.updates.back import versions
from btc_ai.updates.kinds import kind
from btc_ai.updates.layout import Layout
from btc_ai.updates.offer import Offer, read_offer
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.trust import root_of_trust


def last_check(layout: Layout) -> Offer | None:
    """The last answer of the server, to whoever asked; None where it was never asked."""
    found = [_read(one.last_check) for one in {layout, Layout(layout.root)}]
    return max((one for one in found if one), key=lambda one: one.checked, default=None)


def available(layout: Layout) -> Offer | None:
    """The last answer, where it offers what is newer than this and did not fail here since."""
    last, bad = last_check(layout), Controller(layout.root).bad()
    if last is None or last.version is None or last.version in bad:
        return None
    return last if Version(last.version) > Version(__version__) else None


def status(settings: UpdateSystem, layout: Layout) -> dict[str, Any]:
    """As `btc-ai update status --json` prints it."""
    controller, last = Controller(layout.root), last_check(layout)
    wheels = [one.stat().st_size for one in layout.wheels.glob("*/*.whl")]
    return {
        "installed": __version__,
        "kind": kind(),
        "root": str(layout.root),
        "enabled": settings.ENABLED,
        "server": redact_urls(settings.UPDATE_SERVER),
        "trust": _trust(settings),
        "last_check": last.as_dict() if last else None,
        "current": controller.current(),
        "releases": list(versions(layout)),
        "staged": [one.stem for one in sorted(layout.staged.glob("*.json"))],
        "wheels": len(wheels),
        "bytes": sum(wheels),
        "pending": controller.pending(),
        "bad": controller.bad(),
    }


def _read(path: Path) -> Offer | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        return read_offer(json.loads(path.read_bytes()))
    return None


def _trust(settings: UpdateSystem) -> str:
    try:
        root_of_trust(settings)
    except UpdateError as error:
        return str(error)
    return str(settings.TRUSTED_ROOT or "as shipped")
