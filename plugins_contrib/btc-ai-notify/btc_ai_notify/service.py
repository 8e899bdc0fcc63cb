"""The service: hears the bus, and hands what is news to the channels that want it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.errors import UsageError
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai_notify.channel import Channel, DeliveryError
from btc_ai_notify.mail import Mail
from btc_ai_notify.news import News, Watch
from btc_ai_notify.outbox import Outbox
from btc_ai_notify.settings import Settings
from btc_ai_notify.webhook import Webhook

KINDS = ("training.run", "transfer.verdict", "plugin.state", "update.*")
TEST_LIMIT_S = 300.0
FLUSH_S = 3.0
LOOK_AFTER_S = 5.0


class TestBody(BaseModel):
    """A channel, or all."""

    __test__ = False  # pytest takes no interest

    model_config = ConfigDict(extra="forbid")

    channel: str | None = Field(None, max_length=100)


class StatusBody(BaseModel):
    """Nothing."""

    model_config = ConfigDict(extra="forbid")


class NotifyService:
    """Tells people what becomes of runs, transfers and plugins."""

    def __init__(self, context: Context, look_after_s: float = LOOK_AFTER_S) -> None:
        """Over its context, with the channels of its settings."""
        settings: Settings = context.settings
        limit_s = settings.timeout_s
        channels: list[Channel] = [
            *(Webhook(one, limit_s) for one in settings.webhooks),
            *(Mail(one, limit_s) for one in settings.emails),
        ]
        self._context, self._look_after_s = context, look_after_s
        self._boxes = [Outbox(one, settings, context.log) for one in channels]
        self._watch = Watch()

    def commands(self) -> Sequence[Command]:
        """The commands it answers."""
        return (
            Command("notify.test", TestBody, self._test, TEST_LIMIT_S),
            Command("notify.status", StatusBody, self._status, role="viewer"),
        )

    async def start(self) -> None:
        """Begin to listen and to send."""
        for box in self._boxes:
            self._context.spawn(box.channel.name, box.run())
        self._context.spawn("listen", self._listen())
        self._context.spawn("look", self._look())

    async def stop(self) -> None:
        """Give what waits a moment to get through."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await asyncio.gather(*(box.flush() for box in self._boxes))

    def status(self) -> Body:
        """What each channel has sent, and what not."""
        return {box.channel.name: box.status() for box in self._boxes}

    async def _listen(self) -> None:
        async for event in self._context.subscribe(*KINDS):
            if (news := self._watch.hear(event)) is not None:
                self._tell(news)

    async def _look(self) -> None:
        """Plugins that failed before this one had begun to listen are news too."""
        await asyncio.sleep(self._look_after_s)
        for plugin in (await self._context.call("daemon.status", {}))["plugins"]:
            if (news := self._watch.plugin(plugin, time.time())) is not None:
                self._tell(news)

    def _tell(self, news: News) -> None:
        for box in self._boxes:
            box.put(news)

    async def _status(self, body: StatusBody, call: Call) -> Body:
        return {"channels": self.status()}

    async def _test(self, body: TestBody, call: Call) -> Body:
        known = {box.channel.name: box.channel for box in self._boxes}
        if not known:
            raise UsageError("there is no channel; name one in PLUGINS.notify.SETTINGS")
        if body.channel is not None and body.channel not in known:
            raise UsageError(f"no channel {body.channel!r}; known are {', '.join(known)}")
        chosen = known if body.channel is None else {body.channel: known[body.channel]}
        reasons = await asyncio.gather(*(_try(one) for one in chosen.values()))
        return {"channels": dict(zip(chosen, reasons, strict=True))}


async def _try(channel: Channel) -> str | None:
    """Send a test message, once; why it did not get through, None where it did."""
    topic = sorted(channel.topics)[0]
    text = f"This is a test of the channel {channel.name}. It is told of: " + ", ".join(
        sorted(channel.topics)
    )
    try:
        await channel.send(News(topic, "a test", text, time.time(), {"test": True}))
    except DeliveryError as error:
        return str(error)
    return None
