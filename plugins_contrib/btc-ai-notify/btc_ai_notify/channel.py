"""What a channel is, and how it says that a message did not get through."""

import os
from typing import Protocol

from btc_ai_notify.news import News
from btc_ai_notify.settings import Topic


class DeliveryError(Exception):
    """A message did not get through. Says why, without a secret.

    permanent: trying again is of no use. retry_after_s: what the other side asks for.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, retry_after_s: float | None = None
    ) -> None:
        """Keep what is to be done about it."""
        super().__init__(reason)
        self.permanent, self.retry_after_s = permanent, retry_after_s


def reason_of(error: OSError) -> str:
    """Why a connection failed, in the system's words."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


class Channel(Protocol):
    """Where messages go."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    @property
    def topics(self) -> frozenset[Topic]:
        """What it is told of."""

    async def send(self, news: News) -> None:
        """Send a message, once. Raises DeliveryError."""
