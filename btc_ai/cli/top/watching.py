"""Keeps `btc-ai top` on the screen: listens, draws, and waits for a daemon that has gone."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from btc_ai.bus.client import NoDaemonError
from btc_ai.cli.top.draw import Screen
from btc_ai.cli.top.keys import pressed
from btc_ai.cli.top.logs import LogTail
from btc_ai.cli.top.overview import TOPICS, Overview
from btc_ai.errors import BusError

if TYPE_CHECKING:
    from btc_ai.bus.client import Client
    from btc_ai.cli.context import Globals
    from btc_ai.config import Config

FRAME_S = 0.25
ASK_S = 5.0
"""How often the daemon is asked how it is: no event tells of its memory."""
WAIT_S = 1.0


class _QuitError(Exception):
    """A person has pressed q."""


class Watching:
    """What is known, and where it is shown."""

    def __init__(self, here: "Globals") -> None:
        """Nothing is known yet."""
        self._here = here
        self._known = Overview()
        self._console = Console(highlight=False)
        self._config = _config(here)

    def _frame(self) -> object:
        limits = self._config.MEMORY_WARNING_PERCENT, self._config.MEMORY_LIMIT_PERCENT
        return Screen(*self._console.size, *limits).draw(self._known)

    def read(self) -> Overview:
        """Everything, once. Raises NoDaemonError where none runs."""
        with self._here.client() as client:
            self._known.load(client)
        with self._logs() as tail:
            self._known.logs = tail.look() if tail else []
        return self._known

    def once(self) -> None:
        """Print one frame. Raises NoDaemonError where none runs."""
        self.read()
        self._console.print(self._frame())

    def run(self) -> None:
        """Until q or Ctrl-C; a daemon that is not there is waited for."""
        with (
            Live(console=self._console, screen=True, auto_refresh=False) as live,
            pressed() as keys,
            self._logs() as tail,
        ):

            def draw() -> None:
                if "q" in keys().lower():
                    raise _QuitError
                self._known.logs = tail.look() if tail else []
                live.update(self._frame(), refresh=True)  # type: ignore[arg-type]

            try:
                while True:
                    self._follow(draw)
            except (_QuitError, KeyboardInterrupt):
                return

    def _follow(self, draw: Callable[[], None]) -> None:
        """As long as there is a daemon; then wait a little."""
        try:
            with self._here.client() as client:
                self._listen(client, draw)
        except BusError as error:
            gone = "no daemon; waiting for one" if isinstance(error, NoDaemonError) else str(error)
            self._known.trouble = gone
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            draw()
            time.sleep(FRAME_S)

    def _listen(self, client: "Client", draw: Callable[[], None]) -> None:
        """Until the daemon listens no more. Raises BusError where it does not answer."""
        feed = client.subscribe(*TOPICS)
        self._known.load(client)
        drawn = asked = time.monotonic()
        draw()
        for event, lost in feed.events(idle=FRAME_S):
            now = time.monotonic()
            if event is not None:
                self._known.hear(event)
            elif not client.address.listens():
                raise NoDaemonError("it has gone")
            if lost or now - asked > ASK_S:
                asked = now
                self._known.load(client) if lost else self._known.ask(client)
            if event is None or now - drawn > FRAME_S:
                drawn = now
                draw()

    def _logs(self) -> "AbstractContextManager[LogTail | None]":
        """Those of this machine; a daemon elsewhere has its own."""
        return nullcontext() if self._here.host else closing(LogTail(self._config))


def _config(here: "Globals") -> "Config":
    """That of this machine; of a daemon elsewhere the thresholds are taken to be the defaults."""
    from btc_ai.config import default_config

    return default_config() if here.host else here.config()
