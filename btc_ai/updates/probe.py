"""Looks from outside whether a release works: as a client, over the bus."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.bus.client import Client
from btc_ai.errors import BtcAiError

READY_LIMIT_S = 90.0
STABLE_S = 60.0
EACH_S = 1.0
ANSWER_LIMIT_S = 5.0
"""An event loop that hangs answers nothing."""
WELL = ("ready", "idle")
STARTING = ("starting", "restarting", "loading")


@dataclass(frozen=True)
class Expected:
    """What a release has to be like: its version, and the plugins that were ready before it."""

    version: str
    plugins: Sequence[str]


def probe(
    runtime: Path, expected: Expected, *, ready_limit_s: float = READY_LIMIT_S,
    stable_s: float = STABLE_S, told: Callable[[str], None] = lambda _: None,
    over: Callable[[], bool] = lambda: False, ended: Callable[[], bool] = lambda: False,
) -> str:  # fmt: skip
    """Why the running daemon is not what is expected, once that is sure; "" once it is good.

    Good: the version, every plugin ready, the bus answering in time, one process, for `stable_s`.
    over: whether it was gone back from meanwhile, so that another that answers is no wait's worth.
    ended: whether no daemon runs, and nobody starts one.
    """
    if reason := _until_ready(runtime, expected, ready_limit_s, over, ended):
        return reason
    told(f"{expected.version} is ready; watching it for {stable_s:g} s")
    first = _status(runtime)
    end = time.monotonic() + stable_s
    while first is not None and time.monotonic() < end:
        time.sleep(min(EACH_S, stable_s))
        now = _status(runtime)
        if now is None:
            return "it does not answer any more"
        if now["pid"] != first["pid"]:
            return "it died and was restarted"
        if reason := _wrong(now, expected):
            return reason
    return "it does not answer any more" if first is None else ""


def _until_ready(
    runtime: Path, expected: Expected, limit_s: float, over: Callable[[], bool],
    ended: Callable[[], bool],
) -> str:  # fmt: skip
    end, reason = time.monotonic() + limit_s, "it does not answer"
    while time.monotonic() < end:
        status = _status(runtime)
        if status is None and ended():
            return "it ended by itself"
        if status is not None:
            reason = _wrong(status, expected)
            if not reason:
                return ""
            if over() or not _may_yet(status, expected):
                return reason
        time.sleep(EACH_S / 4)
    return f"{reason} within {limit_s:g} s"


def _may_yet(status: dict[str, Any], expected: Expected) -> bool:
    """Whether what is wrong may pass: the old daemon has not left, or plugins are starting."""
    states = {one["name"]: one["state"] for one in status["plugins"]}
    return status["version"] != expected.version or any(
        states.get(name) in STARTING for name in expected.plugins
    )


def _wrong(status: dict[str, Any], expected: Expected) -> str:
    if status["version"] != expected.version:
        return f"version {status['version']} runs"
    plugins = {one["name"]: one for one in status["plugins"]}
    for name in expected.plugins:
        if name not in plugins:
            return f"the plugin {name} is missing"
        if plugins[name]["state"] not in WELL:
            return (
                f"the plugin {name} is {plugins[name]['state']} {plugins[name]['detail']}".strip()
            )
    return ""


def ready_plugins(runtime: Path) -> list[str] | None:
    """The plugins that are ready now; None where no daemon answers."""
    status = _status(runtime)
    if status is None:
        return None
    return [one["name"] for one in status["plugins"] if one["state"] in WELL]


def running_version(runtime: Path, limit_s: float = ANSWER_LIMIT_S) -> str | None:
    """The version that answers, in time."""
    status = _status(runtime, limit_s)
    return None if status is None else str(status["version"])


def _status(runtime: Path, limit_s: float = ANSWER_LIMIT_S) -> dict[str, Any] | None:
    try:
        with Client(runtime, source="update", timeout=limit_s) as client:
            return client.call("daemon.status")
    except BtcAiError:
        return None
