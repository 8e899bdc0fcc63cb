"""What waits for a channel: a bounded queue, tried again with exponential backoff."""

import asyncio
import time
from typing import Any

from btc_ai.api.service import Logger
from btc_ai_notify.channel import Channel, DeliveryError
from btc_ai_notify.news import News
from btc_ai_notify.settings import Settings

Body = dict[str, Any]


class Outbox:
    """The messages of one channel, in order; the newest are kept where they are too many."""

    def __init__(self, channel: Channel, settings: Settings, log: Logger) -> None:
        """Nothing waits."""
        self.channel, self._settings, self._log = channel, settings, log
        self._queue: asyncio.Queue[News] = asyncio.Queue(settings.queue)
        self._counts = {"sent": 0, "failed": 0, "dropped": 0}
        self._last_sent: float | None = None
        self._last_error: str | None = None

    def put(self, news: News) -> None:
        """Send it by and by, where the channel is told of such; returns at once."""
        if news.topic not in self.channel.topics:
            return
        if self._queue.full():
            self._queue.get_nowait()
            self._queue.task_done()
            self._counts["dropped"] += 1
            self._log.warning("notification dropped: too many wait", channel=self.channel.name)
        self._queue.put_nowait(news)

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            news = await self._queue.get()
            await self._deliver(news)
            self._queue.task_done()

    async def flush(self) -> None:
        """Until nothing waits."""
        await self._queue.join()

    def status(self) -> Body:
        """What was sent and what was not. Times: seconds since 1970, UTC."""
        return {
            **self._counts,
            "waiting": self._queue.qsize(),
            "last_sent": self._last_sent,
            "last_error": self._last_error,
        }

    async def _deliver(self, news: News) -> None:
        for attempt in range(self._settings.attempts):
            try:
                await self.channel.send(news)
            except DeliveryError as error:
                self._last_error = f"{news.topic}: {error}"
                if error.permanent or attempt + 1 == self._settings.attempts:
                    break
                await asyncio.sleep(self._delay(attempt, error))
            else:
                self._counts["sent"] += 1
                self._last_sent, self._last_error = time.time(), None
                return
        self._counts["failed"] += 1
        self._log.warning(
            "notification not sent", channel=self.channel.name, reason=self._last_error
        )

    def _delay(self, attempt: int, error: DeliveryError) -> float:
        usual = self._settings.first_delay_s * 2.0**attempt
        return min(max(usual, error.retry_after_s or 0.0), self._settings.max_delay_s)
