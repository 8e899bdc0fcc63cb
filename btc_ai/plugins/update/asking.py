"""Asks the update server from within the daemon: by a child, beside the loop, one at a time."""

import asyncio

from btc_ai.api.errors import UpdateError
from btc_ai.api.service import Context
from btc_ai.api.threads import in_thread
from btc_ai.config import UpdateSystem
from btc_ai.plugins.update.messages import Downloading
from btc_ai.updates.asking import ask
from btc_ai.updates.layout import Layout
from btc_ai.updates.offer import Offer, Received, request


class Asking:
    """The update server, as seen from one installation."""

    def __init__(self, context: Context, layout: Layout) -> None:
        """layout: where it keeps what."""
        self._context, self._layout = context, layout
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether it is being asked now."""
        return self._turn.locked()

    def require_free(self, settings: UpdateSystem) -> None:
        """Raise UpdateError where it cannot be asked now."""
        if self.busy:
            raise UpdateError("the update server is being asked already; wait until that is over")
        request(settings, self._layout, fetch=True)

    async def look(self, settings: UpdateSystem) -> Offer:
        """The newest release that suits. Raises UpdateError."""
        return await self._ask(settings, None, None, fetch=False)

    async def fetch(self, settings: UpdateSystem, version: str | None, parent: str | None) -> Offer:
        """Download a release, and publish how far that is. Raises UpdateError."""
        return await self._ask(settings, version, parent, fetch=True)

    async def _ask(
        self, settings: UpdateSystem, version: str | None, parent: str | None, *, fetch: bool
    ) -> Offer:
        asked = request(settings, self._layout, fetch=fetch, version=version)
        loop = asyncio.get_running_loop()

        def tell(now: Received) -> None:
            self._context.publish(Downloading.of(now), parent_id=parent)

        def received(now: Received) -> None:
            loop.call_soon_threadsafe(tell, now)

        async with self._turn:
            return await in_thread(lambda: ask(asked, received))
