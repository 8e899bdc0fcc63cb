"""The dashboard as a whole: built here, served until it is told to stop."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from btc_ai.api.service import Logger
from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.dashboard.access import Access, Token, may_open
from btc_ai.dashboard.app import make_app
from btc_ai.dashboard.bus import Bus
from btc_ai.dashboard.current import CurrentConfig
from btc_ai.dashboard.folder import watch_folder
from btc_ai.dashboard.live import Hub, follow
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.reports import Reports
from btc_ai.dashboard.security import foreign_names, host_names
from btc_ai.dashboard.serve import Door, WebServer
from btc_ai.dashboard.store import Store
from btc_ai.paths import runtime_dir


class Dashboard:
    """A web server, the hub behind it, and what feeds the hub."""

    def __init__(
        self, config: Config, config_file: Path | None, door: Door, bus: Bus, log: Logger, *,
        read_config: Callable[[], Config], update_interval: float | None = None,
    ) -> None:  # fmt: skip
        """Over a daemon; while there is none, over the models folder, which is left as it is.

        update_interval: seconds; None: UPDATE_INTERVAL of the configuration.
        """
        hosts = config.DASHBOARD.HOSTS
        token = Token(config.KEYS_DIR)
        runtime = runtime_dir()
        named, hub = foreign_names(door.port, hosts), Hub()
        self.parts = Parts(
            config=config, config_file=config_file,
            current=CurrentConfig(config, config_file, read_config),
            update_interval=update_interval, hosts=host_names(door.address, door.port, hosts),
            access=Access(token, lambda uid: may_open(runtime, uid), named),
            store=Store(config), bus=bus, hub=hub,
            reports=Reports(config, lambda: hub.connected), log=log,
        )  # fmt: skip
        self.app = make_app(self.parts)
        self._web = WebServer(self.app, door)

    async def run(self) -> None:
        """Serve until `stop`."""
        parts = self.parts
        helpers = [
            asyncio.create_task(self._guarded(work), name=f"dashboard: {name}")
            for name, work in (
                ("feed", follow(parts.bus, parts.hub, parts.store)), ("watch", self._watch()),
                ("beat", parts.hub.beat()),
            )
        ]  # fmt: skip
        try:
            await self._web.run()
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self.parts.reports.close()
            self.parts.store.close()

    def stop(self) -> None:
        """Let `run` end."""
        self._web.stop()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Log what ends a task that should not end."""
        try:
            await work
        except Exception:  # a fence: task guard
            self.parts.log.error("the dashboard is no longer live", exc_info=True)

    async def _watch(self) -> None:
        """Tell pages of changes of the folder, while no daemon does."""
        parts = self.parts

        async def tell() -> None:
            await in_thread(parts.store.look_again)
            parts.hub.tell_event("folder.changed", {}, "dashboard", time.time())

        await watch_folder(
            parts.config.MODELS_DIR, parts.interval, tell, wanted=lambda: not parts.hub.connected
        )
