"""The newest records from WARNING on, where the daemon's logs are on this machine."""

from collections import deque
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from btc_ai.cli.logs.request import make_request
from btc_ai.errors import BtcAiError
from btc_ai.logs.following import Follower
from btc_ai.logs.query import Search
from btc_ai.logs.reading import Entry

if TYPE_CHECKING:
    from btc_ai.config import Config

COUNT = 30


class LogTail:
    """What was logged last, and what has been since; nothing where it cannot be read."""

    def __init__(self, config: "Config") -> None:
        """Reads no more of the log than its newest warnings take."""
        self._kept: deque[str] = deque(maxlen=COUNT)
        self._follower: Follower | None = None
        with suppress(BtcAiError, OSError):
            self._request = make_request(
                config, level="WARNING", since="1h", until=None, source=None, run=None, grep=None
            )
            self._follower = Follower(config.LOG_DIR, self._request.name, self._request.reader)
            with closing(self._request.open()) as log:
                request = self._request
                for entry in Search(log, request.reader, request.query).last(COUNT):
                    self._keep(entry)

    def look(self) -> list[str]:
        """The newest, oldest first, the first line of each."""
        if self._follower is not None:
            with suppress(OSError):
                for entry in filter(self._request.query.accepts, self._follower.look()):
                    self._keep(entry)
        return list(self._kept)

    def close(self) -> None:
        """Let the file go."""
        if self._follower is not None:
            self._follower.close()

    def _keep(self, entry: Entry) -> None:
        self._kept.append(entry.text.partition("\n")[0])
