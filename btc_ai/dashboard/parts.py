"""What all that the dashboard answers shares; built once, by whoever serves it."""

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from btc_ai.api.discovery import discover, known_learners
from btc_ai.api.service import Logger
from btc_ai.config import Config
from btc_ai.dashboard.access import Access
from btc_ai.dashboard.bus import Bus
from btc_ai.dashboard.current import CurrentConfig
from btc_ai.dashboard.live import Hub
from btc_ai.dashboard.reports import Reports
from btc_ai.dashboard.store import Store

Mode = Literal["daemon", "folder"]
"""Whether it follows a daemon now, or shows a models folder alone."""


def bundled_plugins() -> frozenset[str]:
    """The names of the plugins that are part of BTC-AI; they add no panels."""
    return frozenset(found.name for found in discover() if found.bundled)


@dataclass(frozen=True)
class Parts:
    """What the dashboard shows, and who may see it.

    config: as it was at the start; `current`: as its file is now. hosts: the names that it is
    reached by, with their ports. update_interval: seconds, None: as configured. boot, csrf: another
    for each server process.
    """

    config: Config
    config_file: Path | None
    current: CurrentConfig
    update_interval: float | None
    hosts: frozenset[str]
    access: Access
    store: Store
    bus: Bus
    hub: Hub
    reports: Reports
    log: Logger
    boot: str = field(default_factory=lambda: secrets.token_hex(8))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    learners: tuple[str, ...] = field(default_factory=known_learners)
    bundled: frozenset[str] = field(default_factory=bundled_plugins)
    settings_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def mode(self) -> Mode:
        """Whether it follows a daemon now."""
        return "daemon" if self.hub.connected else "folder"

    def interval(self) -> float:
        """How often to look, seconds."""
        return self.update_interval or self.current.get().MONITORING.UPDATE_INTERVAL
