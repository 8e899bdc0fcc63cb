"""Why an update server is not believed, or not reached, in words: one message for each reason."""

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError
from urllib3 import exceptions as http

from btc_ai.errors import UpdateError
from btc_ai.redaction import redact_urls
from btc_ai.updates.fetcher import SILENCE_S, Fetcher, RedirectElsewhereError

CLOCKS_APART_S = 24 * 3600

_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (
        tuf.LengthOrHashMismatchError,
        "{name} from {server} is not what its publisher signed: damaged on the way, or forged; "
        "it was thrown away, try again later",
    ),
    (
        tuf.DownloadLengthMismatchError,
        "{name} from {server} is longer than its publisher signed; it was broken off",
    ),
    (
        tuf.UnsignedMetadataError,
        "{name} from {server} is not signed by those whom this installation trusts: it is forged, "
        "or UPDATE_SYSTEM names a server without its TRUSTED_ROOT",
    ),
    (
        DeserializationError,
        "{name} from {server} cannot be read; is that an update server? see UPDATE_SYSTEM."
        "UPDATE_SERVER",
    ),
    (
        tuf.BadVersionNumberError,
        "{server} offers an older state than this machine has seen before: the server was rolled "
        "back, or somebody hides newer releases; tell its publisher",
    ),
    (
        tuf.RepositoryError,
        "what {server} offers does not fit together ({error}); tell its publisher",
    ),
    (
        RedirectElsewhereError,
        "{server} sends us to another server ({error}), which is not followed; if it has moved, "
        "set UPDATE_SYSTEM.UPDATE_SERVER",
    ),
    (
        http.NameResolutionError,
        "there is no such host as that of {server}; check the network and "
        "UPDATE_SYSTEM.UPDATE_SERVER",
    ),
    (
        http.NewConnectionError,
        "{server} cannot be reached ({error}); check the network and UPDATE_SYSTEM.UPDATE_SERVER, "
        "or try again later",
    ),
    (
        http.TimeoutError,
        f"{{server}} did not answer for {SILENCE_S} s, or fell silent in {{name}}; try again later",
    ),
    (
        http.ProtocolError,
        "the connection to {server} broke off in {name}; try again: what is whole is kept",
    ),
    (http.HTTPError, "{server} cannot be used ({error}); check UPDATE_SYSTEM.UPDATE_SERVER"),
)


def refusal(error: Exception, server: str, fetcher: Fetcher, trust: Path) -> UpdateError:
    """The error that a person reads. trust: where the verified metadata are kept."""
    cause = error.__cause__ if type(error) is tuf.DownloadError and error.__cause__ else error
    server = f"the update server {server}"
    name = urlsplit(fetcher.url).path.rpartition("/")[2] or "the answer"
    if isinstance(cause, tuf.ExpiredMetadataError):
        return UpdateError(_stale(server, fetcher, trust, str(cause)))
    if isinstance(cause, tuf.DownloadHTTPError):
        return UpdateError(
            f"{server} answers {cause.status_code} for {name}; check UPDATE_SYSTEM.UPDATE_SERVER, "
            "or try again later"
        )
    if isinstance(cause, http.SSLError):
        return UpdateError(
            f"{server} cannot prove by TLS that it is that server ({_reason(cause)}); check "
            f"its address, and this machine's clock, which says {_minute(datetime.now(UTC))}"
        )
    words = next((text for kind, text in _WORDS if isinstance(cause, kind)), "{server}: {error}")
    return UpdateError(words.format(server=server, name=name, error=_reason(cause)))


def _stale(server: str, fetcher: Fetcher, trust: Path, which: str) -> str:
    """Expired is not up to date: nobody knows what was released since."""
    content = fetcher.metadata
    if which.startswith("Final root"):
        content = (trust / "root.json").read_bytes()
    since = Metadata[Any].from_bytes(content).signed.expires
    return (
        f"{server} is stale since {_minute(since)}: its publisher has not confirmed since what is "
        "the newest release, or somebody hides it; try again later, or tell the publisher"
        f"{_clock_hint(fetcher.date)}"
    )


def _clock_hint(date: str) -> str:
    """Where this machine's clock is far from the server's, that this may be why."""
    with suppress(ValueError):
        theirs, ours = parsedate_to_datetime(date), datetime.now(UTC)
        if abs((ours - theirs).total_seconds()) > CLOCKS_APART_S:
            return (
                f". Or this machine's clock is wrong: it says {_minute(ours)}, the server's "
                f"{_minute(theirs)}; set it and try again"
            )
    return ""


def _reason(error: BaseException) -> str:
    """The words of what is behind an error."""
    while inner := error.__cause__ or next((one for one in error.args[:1] if _is_error(one)), None):
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return redact_urls(text or type(error).__name__)


def _is_error(value: object) -> bool:
    return isinstance(value, BaseException)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
