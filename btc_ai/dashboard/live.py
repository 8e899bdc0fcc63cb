"""The hub: what the bus tells, encoded once and handed to every page; it waits for none."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from btc_ai.api.discovery import covers
from btc_ai.api.messages import Heard
from btc_ai.api.service import Body
from btc_ai.dashboard.bus import Bus, LinkState
from btc_ai.dashboard.encoding import encode
from btc_ai.dashboard.store import Store
from btc_ai.errors import BtcAiError

SHOWN = (
    "training.*", "transfer.*", "monitoring.*", "evaluation.*", "study.*", "daemon.*",
    "plugin.state", "signal", "update.*",
)  # fmt: skip
"""The events that pages hear."""
LAST = ("training.run", "training.progress", "monitoring.sample")
"""Those whose newest a page that comes is told, of each run and bucket."""
LAST_RUNS = 20
KEPT = 200
QUEUED = 1000
"""Messages that wait for a page; one that is further behind has to begin anew."""
BEAT_S = 2.0


@dataclass(eq=False)
class Listener:
    """A page, and what waits for it. `slow` is set once that is too much."""

    waiting: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUED))
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: str) -> None:
        """Let a message wait for the page."""
        try:
            self.waiting.put_nowait(message)
        except asyncio.QueueFull:
            self.slow.set()

    async def messages(self) -> AsyncIterator[str]:
        """What waits, as it comes."""
        while True:
            yield await self.waiting.get()


class Hub:
    """Numbers what it tells; every page that is there hears the same, under the same numbers."""

    def __init__(self) -> None:
        """Nothing has been heard, and nobody listens."""
        self._seq = 0
        self._listeners: set[Listener] = set()
        self._last: dict[tuple[str, ...], Body] = {}
        self._link: Body = {"connected": False, "since": time.time(), "text": "no daemon is heard",
                            "other": "", "lost": False}  # fmt: skip
        self._heard: float | None = None

    @property
    def connected(self) -> bool:
        """Whether the daemon is heard."""
        return bool(self._link["connected"])

    @property
    def link(self) -> Body:
        """Whether the daemon is heard, since when, and the time of its newest event.

        If not, why, whether it was (`lost`), and which models folder the daemon has that runs
        (`other`).
        """
        return {**self._link, "heard": self._heard}

    @property
    def pages(self) -> int:
        """How many pages listen."""
        return len(self._listeners)

    def join(self, boot: str) -> Listener:
        """A new page, which is told first where it comes in."""
        listener = Listener()
        listener.put(
            encode(
                {"type": "hello", "boot": boot, "seq": self._seq, "link": self.link,
                 "last": list(self._last.values())}
            )
        )  # fmt: skip
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """The page has gone."""
        self._listeners.discard(listener)

    def hear(self, event: Heard) -> None:
        """Hand an event of the bus on."""
        self._heard = event.time
        if covers(SHOWN, event.kind):
            self.tell_event(event.kind, event.body, event.source, event.time)

    def tell_event(self, kind: str, body: Body, source: str, moment: float) -> None:
        """Hand an event on, and keep it where it is for those who come."""
        told = {"kind": kind, "time": moment, "source": source, "body": body}
        if kind in LAST:
            self._keep(kind, body, told)
        self._tell("event", told)

    def set_link(self, state: LinkState) -> None:
        """The daemon is heard from now on, or is not."""
        lost = not state.connected and (self.connected or self._link["lost"])
        self._link = {"connected": state.connected, "since": time.time(), "text": state.text,
                      "other": state.other, "lost": lost}  # fmt: skip
        self._tell("link", {"link": self.link})

    def remember(self, kind: str, body: Body, source: str, moment: float) -> None:
        """Keep what was told before this hub was there."""
        self._keep(kind, body, {"kind": kind, "time": moment, "source": source, "body": body})

    async def beat(self) -> None:
        """Tell that the server is alive, for ever."""
        while True:
            await asyncio.sleep(BEAT_S)
            self._tell("beat", {"time": time.time(), "heard": self._heard})

    def _keep(self, kind: str, body: Body, told: Body) -> None:
        key = _key(kind, body)
        self._last.pop(key, None)
        self._last[key] = told
        if len(self._last) > KEPT:
            del self._last[next(iter(self._last))]

    def _tell(self, kind: str, more: dict[str, Any]) -> None:
        self._seq += 1
        if self._listeners:
            message = encode({"type": kind, "seq": self._seq, **more})
            for listener in self._listeners:
                listener.put(message)


def _key(kind: str, body: Body) -> tuple[str, ...]:
    return kind, str(body.get("run", "")), str(body.get("position", ""))


async def follow(bus: Bus, hub: Hub, store: Store) -> None:
    """Hand all that the bus tells to the hub, for ever; the store only reads while it is silent."""
    async for news in bus.news():
        if isinstance(news, Heard):
            hub.hear(news)
            continue
        await store.set_read_only(not news.connected)
        hub.set_link(news)
        if news.connected:
            await _catch_up(bus, hub)


async def _catch_up(bus: Bus, hub: Hub) -> None:
    """Ask for what events told before; a plugin that is not there has nothing to say."""
    now = time.time()
    try:
        for run in (await bus.call("training.runs", {"limit": LAST_RUNS}))["runs"]:
            hub.remember("training.run", run, "training", run["updated"])
    except BtcAiError:
        pass
    try:
        sample = (await bus.call("monitoring.status", {}))["sample"]
    except BtcAiError:
        return
    if sample:
        hub.remember("monitoring.sample", sample, "monitoring", now)
