"""Fetches over HTTP for TUF: no redirect to elsewhere, no endless data, no waiting for ever."""

from collections.abc import Callable, Iterator
from typing import IO
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import Urllib3Fetcher

from btc_ai import __version__

SILENCE_S = 15
"""Longest wait for a connection, and between two pieces."""
_PIECE = 1 << 16
_REDIRECTS = 3


class RedirectElsewhereError(DownloadError):
    """The server sends us to another server."""


class Fetcher(Urllib3Fetcher):
    """What was asked for last, `url`, and when the server says it is, `date`, help to say why."""

    def __init__(self, received: Callable[[int], None] = lambda count: None) -> None:
        """received: hears of every piece's length."""
        super().__init__(SILENCE_S, _PIECE, f"btc-ai/{__version__}")
        self._received = received
        self.url, self.date, self.metadata = "", "", b""

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Fetch metadata, and keep it: where it has expired, it tells since when."""
        self.metadata = super().download_bytes(url, max_length)
        return self.metadata

    def download_into(self, file: IO[bytes], url: str, max_length: int) -> None:
        """Write what is there into `file`; unlike `download_file`, without another file between.

        Raises DownloadError, DownloadLengthMismatchError where there is more than `max_length`.
        """
        received = 0
        for piece in self.fetch(url):
            received += len(piece)
            if received > max_length:
                raise DownloadLengthMismatchError(f"more than {max_length} bytes")
            file.write(piece)

    def _fetch(self, url: str) -> Iterator[bytes]:
        response = self._ask(url)
        if response.status != 200:
            response.close()
            raise DownloadHTTPError(f"HTTP status {response.status}", response.status)
        return self._chunks(response)

    def _ask(self, url: str) -> urllib3.BaseHTTPResponse:
        """The answer, after redirects within the server."""
        self.url, self.date = url, ""
        for _ in range(_REDIRECTS + 1):
            response = self._proxy_env.request(
                "GET", url, preload_content=False, redirect=False, retries=False,
                timeout=urllib3.Timeout(self.socket_timeout),
            )  # fmt: skip
            self.date = response.headers.get("Date", "")
            if not (location := response.get_redirect_location()):
                return response
            response.close()
            before, url = url, urljoin(url, location)
            if _origin(urlsplit(before)) != _origin(urlsplit(url)):
                raise RedirectElsewhereError(url)
        raise RedirectElsewhereError(url)

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """As they arrive, not as they fill a buffer."""
        try:
            while piece := response.read1(self.chunk_size, decode_content=False):
                self._received(len(piece))
                yield piece
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError("broken off") from error
        finally:
            response.close()


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port
