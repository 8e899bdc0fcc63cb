"""A release on trial watches itself, so that nobody else has to be alive for it to be given up.

One that lacks a plugin which was ready before it ends, as one that crashes does: whoever restarts
the daemon (systemd, `btc-ai daemon start`) lets `slotctl` count that. After a minute it is good,
where the daemon may say so; else the updater does.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from btc_ai import __version__
from btc_ai.api.service import Logger
from btc_ai.daemon.hosting.record import SETTLED, Record
from btc_ai.updates.layout import own_layout
from btc_ai.updates.probe import READY_LIMIT_S, STABLE_S, WELL
from btc_ai.updates.slotctl import Controller

LOOK_S = 0.5
SEEN_S = 2.0
"""So long it goes on then: whoever watches from outside sees which plugin it is."""


class Trial:
    """The trial of the release that this process runs; none, where nothing is pending."""

    def __init__(self, records: Sequence[Record], log: Logger, end: Callable[[], None]) -> None:
        """records: what became of the plugins. end: has the daemon stop."""
        layout, slots = own_layout()
        self._controller = Controller(layout.root)
        pending = self._controller.pending() if slots else None
        self._plugins: list[str] | None = None
        if pending is not None and pending["to"] == __version__:
            self._plugins = list(pending.get("plugins") or ())
        self._records, self._log, self._end = records, log, end
        self.failure = ""
        """Why this release is none to go on with."""

    async def run(self) -> None:
        """Watch until the trial is over."""
        if self._plugins is None:
            return
        self._log.info("this release is on trial", version=__version__)
        if wrong := await self._settled(self._plugins):
            self.failure = f"{__version__} is on trial, and {wrong}"
            self._log.error("this release does not do", reason=wrong)
            await asyncio.sleep(SEEN_S)
            self._end()
            return
        await asyncio.sleep(STABLE_S)
        if os.access(self._controller.state, os.W_OK) and self._controller.good(__version__):
            self._log.info("this release is good", version=__version__)

    async def _settled(self, plugins: Sequence[str]) -> str:
        """What keeps the plugins from being ready, once that is sure."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_LIMIT_S):
                while any(one.state not in SETTLED for one in self._records if one.name in plugins):
                    await asyncio.sleep(LOOK_S)
        states = {one.name: one for one in self._records}
        for name in plugins:
            if name not in states:
                return f"the plugin {name} is missing"
            if states[name].state not in WELL:
                return f"the plugin {name} is {states[name].state}: {states[name].detail}"
        return ""
