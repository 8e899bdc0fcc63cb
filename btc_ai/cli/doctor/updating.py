"""Can the program be kept current, and how did the last updates go?"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from btc_ai import __version__
from btc_ai.cli.doctor.findings import Finding, Look, ok, warning
from btc_ai.errors import UpdateError

OVERDUE = 2
"""So many intervals may pass between two answers of the server."""
DAY_S = 24 * 3600.0


def updates(look: Look) -> Iterator[Finding]:
    """A server can be believed and has answered lately; nothing is on trial or was given up."""
    from btc_ai.updates.layout import own_layout
    from btc_ai.updates.status import available, status

    settings, layout = look.config.UPDATE_SYSTEM, own_layout()[0]
    found = status(settings, layout)
    troubles = [*_slots(found)]
    if settings.ENABLED:
        troubles += _server(look, found, settings.CHECK_INTERVAL_DAYS)
    yield from troubles
    if not troubles:
        offer = available(layout) if settings.ENABLED else None
        news = f"{offer.version} is there; `btc-ai update check`" if offer else ""
        yield ok(news or _words(found), layout.root)


def _slots(found: dict[str, Any]) -> Iterator[Finding]:
    root = found["root"]
    if pending := found["pending"]:
        text = f"{pending['to']} is on trial, instead of {pending['from']}"
        yield warning(text, root, todo="wait until it is over: `btc-ai update status`")
    for version, why in found["bad"].items():
        text = f"{version} was given up: {why['reason']}"
        todo = f"wait for a newer one, or try it again: `btc-ai update install --version {version}`"
        yield warning(text, root, todo=todo)


def _server(look: Look, found: dict[str, Any], interval_days: float) -> Iterator[Finding]:
    from btc_ai.updates.trust import root_of_trust

    try:
        root_of_trust(look.config.UPDATE_SYSTEM)
    except UpdateError as error:
        if found["kind"] == "slots" or look.config.UPDATE_SYSTEM.TRUSTED_ROOT is not None:
            yield warning(str(error), found["server"], todo="set UPDATE_SYSTEM.TRUSTED_ROOT")
        return
    last = found["last_check"]
    if last is None or time.time() - last["checked"] > OVERDUE * interval_days * DAY_S:
        since = f"since {datetime.fromtimestamp(last['checked'], UTC):%Y-%m-%d}" if last else "yet"
        text = f"the update server has not answered {since}"
        yield warning(text, found["server"], todo="`btc-ai update check` says why")


def _words(found: dict[str, Any]) -> str:
    if not found["enabled"]:
        return "updates are switched off"
    if found["last_check"] is None:
        return f"this installation ({found['kind']}) has no update server"
    return f"{__version__} is the newest that suits"
