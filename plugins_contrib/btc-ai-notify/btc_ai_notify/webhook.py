"""A webhook: one POST a message."""

import json
import ssl
from datetime import UTC, datetime

import aiohttp

from btc_ai_notify.channel import DeliveryError, reason_of
from btc_ai_notify.news import News
from btc_ai_notify.settings import Topic, WebhookSettings

AGAIN = (408, 425, 429)
"""Of the answers that blame the message, those after which it may be tried again."""


class Webhook:
    """Posts to a URL, in one of four formats."""

    def __init__(self, settings: WebhookSettings, timeout_s: float) -> None:
        """Nothing is opened yet. timeout_s: for all of one POST."""
        self._settings, self._timeout_s = settings, timeout_s
        self.name = settings.name
        self.topics: frozenset[Topic] = frozenset(settings.events)

    async def send(self, news: News) -> None:
        """Post once; a redirection is not followed, for it would take the secrets along."""
        settings = self._settings
        content, kind = body_of(news, settings.format)
        secret = {name: one.get_secret_value() for name, one in settings.secret_headers.items()}
        headers = {"Content-Type": kind, "User-Agent": "btc-ai-notify", **secret}
        if settings.format == "text":
            headers.setdefault("Title", title_of(news).encode("ascii", "replace").decode())
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    settings.secret_url.get_secret_value(),
                    data=content, headers=headers, ssl=context, allow_redirects=False,
                ) as response,
            ):  # fmt: skip
                status, wait = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(_reason(error)) from None
        if status >= 300:
            raise DeliveryError(
                f"HTTP {status}",
                permanent=status < 500 and status not in AGAIN,
                retry_after_s=float(wait) if wait.isascii() and wait.isdigit() else None,
            )


def body_of(news: News, form: str) -> tuple[bytes, str]:
    """The body of a POST and its content type."""
    said = f"{title_of(news)}\n{news.text}".rstrip()
    if form == "text":
        return (news.text or title_of(news)).encode(), "text/plain; charset=utf-8"
    plain = {
        "slack": {"text": said},
        "discord": {"content": said, "allowed_mentions": {"parse": []}},
        "json": {
            "event": news.topic,
            "title": title_of(news),
            "text": news.text,
            "time": datetime.fromtimestamp(news.time, UTC).isoformat(timespec="seconds"),
            "data": news.data,
        },
    }[form]
    return json.dumps(plain).encode(), "application/json"


def title_of(news: News) -> str:
    """The first line of every message."""
    return f"BTC-AI: {news.title}"


def _reason(error: Exception) -> str:
    """Why nothing was sent; not in the error's own words, which may have the URL in them."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return reason_of(error.os_error)
    return type(error).__name__
