"""Where the dashboard hears and asks the daemon: through a plugin's context, or as a client."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import zmq.asyncio

from btc_ai.api.messages import Heard, Position
from btc_ai.api.service import Body, Context
from btc_ai.api.threads import in_thread
from btc_ai.bus.client import Client, NoDaemonError, daemon_listens
from btc_ai.bus.codec import Envelope
from btc_ai.bus.subscriber import Received, kept_between, listen
from btc_ai.errors import BtcAiError, BusError
from btc_ai.paths import lock_file

LOOK_S = 0.5
"""How often to look whether the daemon is still there, or there again."""
ANSWER_S = 80.0
"""How long a command may take; the daemon's own limits are shorter, and say more."""


@dataclass(frozen=True)
class LinkState:
    """Whether the daemon is heard, and if not, why.

    other: the models folder of the daemon that runs, where it is not the one that is shown.
    """

    connected: bool
    text: str = ""
    other: str = ""


class Bus(Protocol):
    """The daemon, as the dashboard needs it."""

    async def call(self, kind: str, body: Body) -> Body:
        """The result of a command. Raises BtcAiError, NoDaemonError where there is none."""

    def news(self) -> AsyncIterator[Heard | LinkState]:
        """Every event, and each time that the link to the daemon is lost or there, for ever."""


class PluginBus:
    """The bus of a plugin. Its process ends with the daemon, so its link is never lost."""

    def __init__(self, context: Context) -> None:
        """Over the plugin's context."""
        self._context = context

    async def call(self, kind: str, body: Body) -> Body:
        """The result of a command."""
        return await self._context.call(kind, body)

    async def news(self) -> AsyncIterator[Heard | LinkState]:
        """Every event."""
        yield LinkState(True)
        async for event in self._context.subscribe("*"):
            yield event


class OtherFolderError(NoDaemonError):
    """The daemon that runs has another models folder."""

    def __init__(self, used: Path) -> None:
        """used: the daemon's."""
        super().__init__(f"the daemon has another models folder, {used}")
        self.used = used


class ClientBus:
    """A client of its own: it starts no daemon, and finds the one of its models folder if one runs.

    Whether that runs from the beginning, only later, or again after a restart.
    """

    def __init__(self, find_runtime: Callable[[], Path], models_dir: Path) -> None:
        """find_runtime: tells the runtime folder to look in; it may be another by the next look."""
        self._find_runtime, self._models_dir = find_runtime, models_dir
        self._position: Position | None = None
        self._other = "", LinkState(False)
        """What tells a daemon of another models folder, and what is said of it."""

    async def call(self, kind: str, body: Body) -> Body:
        """The result of a command. No daemon of another models folder gets it."""

        def ask() -> Body:
            with Client(self._find_runtime(), source="dashboard", timeout=ANSWER_S) as client:
                used = Path(client.call("daemon.status")["models_dir"])
                if used != self._models_dir:
                    raise OtherFolderError(used)
                return client.call(kind, body)

        return await in_thread(ask)

    async def news(self) -> AsyncIterator[Heard | LinkState]:
        """Every event, also those that came while the link was lost."""
        said: LinkState | None = None
        context = zmq.asyncio.Context()
        try:
            while True:
                if (state := await self._look()) != said:
                    yield (said := state)
                if state.connected:
                    async with aclosing(self._one_life(context)) as life:
                        async for event in life:
                            yield event
                    yield (said := LinkState(False, "the daemon has ended"))
                await asyncio.sleep(LOOK_S)
        finally:
            context.destroy(linger=0)

    async def _look(self) -> LinkState:
        """Whether there is anything to be heard now."""
        daemon = self._daemon()
        if daemon == self._other[0]:
            return self._other[1]
        try:
            await self.call("daemon.ping", {})
        except OtherFolderError as error:
            self._other = daemon or "", LinkState(False, str(error), str(error.used))
            return self._other[1]
        except BtcAiError as error:
            return LinkState(False, str(error))
        return LinkState(True)

    async def _one_life(self, context: zmq.asyncio.Context) -> AsyncGenerator[Heard, None]:
        """The events of one daemon, until it ends."""
        daemon, looked = self._daemon(), time.monotonic()
        stream = listen(context, self._find_runtime(), self._missed, self._position)
        coming: asyncio.Future[Received] | None = None
        try:
            while daemon is not None:
                coming = coming or asyncio.ensure_future(anext(stream))
                if (await asyncio.wait({coming}, timeout=LOOK_S))[0]:
                    received, coming = coming.result(), None
                    yield self._noted(received)
                if time.monotonic() - looked >= LOOK_S:
                    looked = time.monotonic()
                    daemon = daemon if self._daemon() == daemon else None
        except BusError:
            return
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError, BusError):
                    await coming
            await stream.aclose()

    def _noted(self, received: Received) -> Heard:
        event, lost, epoch = received
        known = self._position.seq if self._position and self._position.epoch == epoch else {}
        self._position = Position(epoch, {**known, event.source: event.seq})
        return Heard(
            event.kind, event.body, event.source, event.parent_id, event.seq, event.time, lost,
            epoch,
        )  # fmt: skip

    def _daemon(self) -> str | None:
        """What tells one daemon from the next; None: there is none."""
        runtime = self._find_runtime()
        if not daemon_listens(runtime):
            return None
        with suppress(OSError):
            return f"{runtime} {lock_file(runtime).read_text()}"
        return None

    def _missed(self, source: str, after: int, before: int | None) -> AsyncIterator[Envelope]:
        return kept_between(self.call, source, after, before)
