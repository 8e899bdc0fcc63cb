"""Tells the bus how far an installation is: another process does it, and writes that down."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from btc_ai.api.service import Context
from btc_ai.plugins.update.messages import State
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import JOURNAL, Progress, outcome, read_progress

LOOK_S = 1.0
RECENT_S = 600.0
"""What became of an installation without its updater is told by a daemon that starts within it."""


class Following:
    """The newest installation; `newest` is how far it is, in words and steps."""

    def __init__(self, context: Context, layout: Layout, clock: Callable[[], float]) -> None:
        """clock: seconds since 1970."""
        self._context, self._layout = context, layout
        self.newest = outcome(layout)
        written = read_progress(layout)
        is_open = written is not None and written.outcome is None
        is_news = written is not None and is_open and written.time > clock() - RECENT_S
        self._told = None if is_news else self.newest
        self.parent: str | None = None
        """The command that asked for it, if one did."""

    async def run(self) -> None:
        """Follow what is written, for ever."""
        seen: tuple[int | None, ...] = ()
        files = (self._layout.state / JOURNAL, self._layout.state / "history.jsonl")
        while True:
            if (now := tuple(map(_changed, files))) != seen:
                seen, self.newest = now, outcome(self._layout)
                if self.newest is not None and self.newest != self._told:
                    self._tell(self.newest)
            await asyncio.sleep(LOOK_S)

    def _tell(self, progress: Progress) -> None:
        self._told = progress
        log = self._context.log
        (log.warning if progress.outcome in ("back", "failed") else log.info)(
            progress.text, version=progress.order.version, step=progress.step
        )
        self._context.publish(State.of(progress), parent_id=self.parent)


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
