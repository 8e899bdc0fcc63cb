"""When the update server is asked without anybody asking for it."""

from dataclasses import dataclass

from btc_ai.config import UpdateSystem

STARTUP_S = 20.0
"""The daemon has begun its work before it asks."""
NOT_WITHIN_S = 3600.0
"""A daemon that is started again and again does not ask each time."""
JITTER = 0.1
"""Share of the interval by which many daemons spread their questions."""
RETRY_S, RETRY_AT_MOST_S = 900.0, 6 * 3600.0
DAY_S = 24 * 3600.0


@dataclass
class Schedule:
    """Times are seconds since 1970. started: when the daemon was. draw: in [0, 1), its jitter."""

    started: float
    draw: float
    failures: int = 0
    """In a row, the last at `failed`."""
    failed: float = 0.0

    def failed_at(self, now: float) -> None:
        """The server was not reached, or not believed."""
        self.failures, self.failed = self.failures + 1, now

    def answered(self) -> None:
        """The server has answered."""
        self.failures = 0

    def due(self, settings: UpdateSystem, last: float | None, now: float) -> float:
        """When to ask next. last: when the server last answered; None: never, as far as is known.

        A time in the past: now. A `last` in the future is of a clock that was wrong.
        """
        last = None if last is not None and last > now + DAY_S else last
        soonest = self.started + STARTUP_S
        if self.failures:
            wait = min(RETRY_S * 2.0 ** min(self.failures - 1, 10), RETRY_AT_MOST_S)
            return self.failed + wait * (1 + JITTER * self.draw)
        if settings.CHECK_ON_STARTUP and (last is None or last < self.started - NOT_WITHIN_S):
            return soonest
        if last is None:
            return soonest + NOT_WITHIN_S * self.draw
        interval = settings.CHECK_INTERVAL_DAYS * DAY_S
        return max(last + interval * (1 + JITTER * self.draw), soonest)
