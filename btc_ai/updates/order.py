"""What is to be installed, for which daemon (`state/order.json`), and how far that is."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from btc_ai.errors import UpdateError
from btc_ai.paths import SYSTEM_RUNTIME, SYSTEM_UNIT
from btc_ai.updates.layout import Layout
from btc_ai.updates.probe import STABLE_S
from btc_ai.updates.restarting import Managed
from btc_ai.updates.slotctl import Controller

ORDER, JOURNAL = "order.json", "journal.json"
HAND, AUTO = "hand", "auto"


@dataclass(frozen=True)
class Order:
    """What to install, and for which daemon.

    runtime: its sockets. managed: who starts it. backup: before anything changes. watch_s: how long
    the new release is watched before it is held to be good. by: who asked. back: it was good
    before, and is made current again without a trial.
    """

    version: str
    runtime: str
    config_file: str | None
    managed: Managed = "none"
    backup: bool = True
    watch_s: float = STABLE_S
    by: str = HAND
    back: bool = False


@dataclass(frozen=True)
class Progress:
    """How far an installation is. outcome: None while it is under way; `good`, `back`, `failed`."""

    order: Order
    step: str
    text: str
    time: float
    before: str | None
    plugins: list[str] | None
    outcome: str | None = None

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


def managed_by(runtime: Path, status: dict[str, Any] | None) -> Managed:
    """Who starts the daemon. status: what `daemon.status` says; None: none runs."""
    if runtime == SYSTEM_RUNTIME and (status["managed"] if status else SYSTEM_UNIT.exists()):
        return "system"
    return "user" if status is not None and status["managed"] else "none"


def order_for(
    version: str, runtime: Path, config_file: Path | None, status: dict[str, Any] | None, *,
    backup: bool, watch_s: float = STABLE_S, by: str = HAND, back: bool = False,
) -> Order:  # fmt: skip
    """What is to be installed for the daemon of this user, or of this machine.

    config_file: where no daemon runs; status: as for `managed_by`. Raises UpdateError where that is
    another user's.
    """
    managed = managed_by(runtime, status)
    if managed == "system" and os.geteuid() != 0:
        raise UpdateError("the service's releases belong to root: run `btc-ai update` with sudo")
    config = status["config_file"] if status is not None else config_file
    named = str(config) if config else None
    return Order(version, str(runtime), named, managed, backup, watch_s, by, back)


def read_order(layout: Layout) -> Order:
    """What was ordered last. Raises OSError, ValueError, TypeError where that cannot be read."""
    return Order(**json.loads((layout.state / ORDER).read_bytes()))


def read_progress(layout: Layout) -> Progress | None:
    """The newest installation; None where there was none."""
    try:
        body = json.loads((layout.state / JOURNAL).read_bytes())
        return Progress(**{**body, "order": Order(**body["order"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def outcome(layout: Layout) -> Progress | None:
    """The newest installation; where its updater has died, its end is what became of the slots."""
    progress = read_progress(layout)
    if progress is None or progress.outcome is not None:
        return progress
    for one in reversed(Controller(layout.root).history()):
        if one["time"] < progress.time:
            break
        if one["what"] == "good" and one["to"] == progress.order.version:
            text = f"{one['to']} is good"
            return replace(progress, step="end", text=text, time=one["time"], outcome="good")
        if one["what"] == "made current" and progress.order.back:
            text = f"{one['to']} is current again"
            return replace(progress, step="end", text=text, time=one["time"], outcome="good")
        if one["what"] == "gone back" and one["from"] == progress.order.version:
            text = f"{one['from']} was given up: {one['reason']}. {one['to']} runs again"
            return replace(progress, step="end", text=text, time=one["time"], outcome="back")
    return progress
