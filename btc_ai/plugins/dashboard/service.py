"""The dashboard service: a web server in a process of its own."""

import asyncio
from collections.abc import Sequence

from btc_ai.api.service import Body, Command, Context
from btc_ai.dashboard.bus import PluginBus
from btc_ai.dashboard.serve import Door, open_door
from btc_ai.dashboard.service import Dashboard

END_S = 5.0


class DashboardService:
    """Serves the dashboard at DASHBOARD.ADDRESS."""

    def __init__(self, context: Context) -> None:
        """Over its context."""
        self._context = context
        self._dashboard: Dashboard | None = None
        self._door: Door | None = None
        self._ended = asyncio.Event()

    def commands(self) -> Sequence[Command]:
        """None: the dashboard asks others."""
        return ()

    async def start(self) -> None:
        """Listen. Raises BtcAiError where no port can be had."""
        context = self._context
        wanted = context.config.DASHBOARD
        self._door = open_door(wanted.ADDRESS, wanted.PORT)
        self._dashboard = Dashboard(
            context.config, context.config_file, self._door, PluginBus(context), context.log,
            read_config=context.read_config,
        )  # fmt: skip
        context.spawn("serve", self._serve(self._dashboard))
        context.log.info("the dashboard is served", url=self._door.url)

    async def stop(self) -> None:
        """End every connection."""
        if self._dashboard is not None:
            self._dashboard.stop()
            async with asyncio.timeout(END_S):
                await self._ended.wait()

    def status(self) -> Body:
        """Where it is, and how many pages are open."""
        if self._dashboard is None or self._door is None:
            return {}
        parts = self._dashboard.parts
        return {
            "url": self._door.url,
            "pages": parts.hub.pages,
            "token_file": str(parts.access.token_file),
        }

    async def _serve(self, dashboard: Dashboard) -> None:
        try:
            await dashboard.run()
        finally:
            self._ended.set()
