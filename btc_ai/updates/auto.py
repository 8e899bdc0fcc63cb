"""Whether a release may be installed without anybody asking: AUTO_UPDATE, WINDOW, the past."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, time
from typing import Any

from btc_ai.config import UpdateSystem
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import ORDER, outcome
from btc_ai.updates.slotctl import Controller

AGAIN_S = 24 * 3600.0
"""After an installation that did not succeed, none begins by itself for so long."""
UNDER_WAY_S = 3600.0
"""An order that has not come to its end by then has nobody who works on it."""
RESUMABLE = ("training", "study")
"""Whose workers go on from a checkpoint; others begin their step anew."""


def closed(settings: UpdateSystem, now: datetime) -> str:
    """Why nothing may be installed by itself now; "" where it may. now: local time."""
    if not (settings.ENABLED and settings.AUTO_UPDATE):
        return "UPDATE_SYSTEM.AUTO_UPDATE is off"
    if settings.WINDOW and not within(settings.WINDOW, now.time()):
        return f"it waits for UPDATE_SYSTEM.WINDOW, {settings.WINDOW}"
    return ""


def hindrance(layout: Layout, version: str, now: float) -> str:
    """What has happened that keeps `version` from being installed by itself; "": nothing."""
    if version in Controller(layout.root).bad():
        return f"{version} did not work here before"
    if _was_left(layout, version):
        return f"somebody went back from {version}"
    if under_way(layout, now):
        return "an installation is under way"
    last = outcome(layout)
    if last is None or last.order.version != version or last.outcome in (None, "good"):
        return ""
    if now > (again := last.time + AGAIN_S):
        return ""
    moment = f"{datetime.fromtimestamp(again):%Y-%m-%d %H:%M}"
    return f"it failed before, and is tried again after {moment}: {last.text}"


def _was_left(layout: Layout, version: str) -> bool:
    """Whether it was rolled back by hand, and not installed since."""
    for one in reversed(Controller(layout.root).history()):
        if version == one["to"]:
            return False
        if version == one["from"] and one["what"] == "made current":
            return True
    return False


def within(window: str, moment: time) -> bool:
    """Whether a time of the day lies in a window, as in `22:00-04:00`; its end does not."""
    begin, end = (time.fromisoformat(one) for one in window.split("-"))
    return begin <= moment < end if begin < end else moment >= begin or moment < end


def under_way(layout: Layout, now: float) -> bool:
    """Whether a release is being installed, or on trial."""
    controller = Controller(layout.root)
    with suppress(OSError):
        ordered = (layout.state / ORDER).stat().st_mtime
        return controller.pending() is not None or (
            controller.wanted() and now - ordered < UNDER_WAY_S
        )
    return controller.pending() is not None


def begins_anew(workers: Iterable[dict[str, Any]]) -> list[str]:
    """Of the workers of `daemon.status`, those at work that a restart would set back to a begin."""
    at_work = [one["name"] for one in workers if one["state"] in ("running", "stalled")]
    return [name for name in at_work if name.partition(".")[0] not in RESUMABLE]
