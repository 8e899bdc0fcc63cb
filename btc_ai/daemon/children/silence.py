"""Tells a worker that is silent while it has a step: stalled first, killed in the end."""

import asyncio
import time
from collections.abc import Callable

from btc_ai.config import Supervision

LATE_S = 1.0
LOOK_EVERY_S = 30.0
LEAST_SLEEP_S = 0.02


class SilenceWatch:
    """How long a worker has said nothing; silence is not death."""

    def __init__(
        self, limits: Supervision, changed: Callable[[], None], kill: Callable[[str], None],
        look: Callable[[], None],
    ) -> None:  # fmt: skip
        """`changed` hears when it stalls and when it speaks again, `kill` why it is to die.

        `look` is called every 30 s, or oftener.
        """
        self._limits, self._changed, self._kill, self._look = limits, changed, kill, look
        self._heard_at = time.monotonic()
        self.stalled = False

    @property
    def silent_s(self) -> float:
        """Seconds since it was last heard."""
        return time.monotonic() - self._heard_at

    def heard(self) -> None:
        """It has said something."""
        self._heard_at = time.monotonic()
        if self.stalled:
            self.stalled = False
            self._changed()

    def reset(self) -> None:
        """Forget what was before: a new life begins, or one has ended. Nobody hears of it."""
        self._heard_at, self.stalled = time.monotonic(), False

    async def watch(self) -> None:
        """Watch from now on, until cancelled; ends once the worker is killed."""
        self.reset()
        while (left := self._limits.KILL_STALLED_AFTER - self.silent_s) > 0:
            if not self.stalled:
                left = min(left, self._limits.STALLED_AFTER - self.silent_s)
                if left <= 0:
                    self.stalled = True
                    self._changed()
                    continue
            await self._sleep(max(min(left, LOOK_EVERY_S), LEAST_SLEEP_S))
            self._look()
        self._kill(f"silent for {self._limits.KILL_STALLED_AFTER:g} s")
        self.reset()

    async def _sleep(self, seconds: float) -> None:
        """Sleep; time in which this very process was held up is not the worker's silence."""
        due = time.monotonic() + seconds
        await asyncio.sleep(seconds)
        late = time.monotonic() - due
        if late > LATE_S:
            self._heard_at += late
