"""What became of one plugin."""

import asyncio
from dataclasses import dataclass, field

from btc_ai.api.discovery import Found
from btc_ai.api.service import Body, Command
from btc_ai.bus.codec import MAX_DEPTH, Envelope, check_value, encode
from btc_ai.config import PluginSection
from btc_ai.daemon.hosting.context import LocalContext
from btc_ai.daemon.hosting.loading import Loaded, description
from btc_ai.daemon.hosting.process import PluginProcess
from btc_ai.errors import BtcAiError

UNUSABLE = ("refused", "disabled", "broken", "failed", "stopped")
SETTLED = (*UNUSABLE, "ready", "idle", "stalled")
"""The states in which a plugin's commands are known, or will not come."""
FAULTY = ("refused", "broken", "failed", "restarting", "stalled")
"""Those that are logged as errors."""

MAX_STATUS = 64 << 10
ANSWER_DEPTH = 6
"""Levels around a status in the answer that it stands in."""


@dataclass
class Record:
    """What became of one plugin; its states are those of `docs/plugins.md`."""

    found: Found
    section: PluginSection = field(default_factory=PluginSection)
    state: str = "starting"
    detail: str = ""
    context: LocalContext | None = None
    loaded: Loaded | None = None
    process: PluginProcess | None = None
    commands: tuple[Command, ...] = ()
    there: asyncio.Event = field(default_factory=asyncio.Event)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.found.name

    @property
    def version(self) -> str:
        """Its version, as far as it is known."""
        return self.found.manifest.version if self.found.manifest else "?"

    def why_not(self) -> str:
        """Why its commands cannot be had; empty where they can."""
        if self.state not in UNUSABLE:
            return ""
        detail = f": {self.detail[:1000]}" if self.detail else ""
        return f"the plugin {self.name} is {self.state}{detail}"

    def as_body(self) -> Body:
        """For `daemon.status`."""
        return {
            "name": self.name, "version": self.version, "state": self.state, "detail": self.detail,
            "isolation": "process" if self.process else "daemon",
            "pid": self.process.pid if self.process else None,
            "deaths": self.process.deaths if self.process else {},
            "status": self._status(),
        }  # fmt: skip

    def described(self) -> Body:
        """For `btc-ai plugins info`: all that it declares."""
        manifest = self.found.manifest
        named: Body = self.process.described if self.process else {}
        if self.loaded is not None:
            named = description(self.loaded)
        return {**self.as_body(), "manifest": manifest.model_dump() if manifest else None, **named}

    def _status(self) -> Body:
        if self.process is not None:
            return bounded(self.process.status)
        if self.loaded is None or self.loaded.service is None or self.state != "ready":
            return {}
        try:
            return bounded(self.loaded.service.status())
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: show the others
            return {"error": f"{type(error).__name__}: {error}"[:1000]}


def bounded(status: Body) -> Body:
    """A status that fits into the answers it stands in; what is too much says so instead."""
    try:
        frame = encode(Envelope("plugin.status", status, "daemon"))
        check_value(status, MAX_DEPTH - ANSWER_DEPTH)
    except BtcAiError as error:
        return {"error": str(error)[:1000]}
    if len(frame) > MAX_STATUS:
        return {"error": f"its status has {len(frame):,} bytes; {MAX_STATUS:,} are shown at most"}
    return status
