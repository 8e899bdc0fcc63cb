"""The logs, as pages see them: records as plain values, and those that come, while one listens."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from typing import Any

from pydantic import Field

from btc_ai.api.service import Body
from btc_ai.config import Config
from btc_ai.dashboard.errors import FieldsError
from btc_ai.dashboard.replies import Asked
from btc_ai.errors import BtcAiError, UsageError
from btc_ai.logs.files import ERRORS, MAIN, TRAINING, UPDATES
from btc_ai.logs.following import Follower
from btc_ai.logs.layout import Layout
from btc_ai.logs.pattern import Pattern
from btc_ai.logs.query import Query
from btc_ai.logs.reading import Entry, Reader
from btc_ai.logs.record import LEVELS

FILES = {"training": TRAINING, "update": UPDATES, "error": ERRORS}
LOOK_S = 0.2
AT_ONCE = 500
"""Records that are told at once; of a flood, the newest."""
_WORKER = re.compile(r" worker=([^\s\"=\\]+)")


class LogFilter(Asked):
    """Which records: a level and those above it, who logged, of which run, with which text.

    regex: the text is a regular expression. Letter case is ignored.
    """

    level: str = "DEBUG"
    source: str = Field("", max_length=64)
    run: str = Field("", max_length=64)
    grep: str = Field("", max_length=500)
    regex: bool = False

    def query(self, **times: float | None) -> Query:
        """As a query of the logs. Raises FieldsError."""
        if self.level not in LEVELS:
            known = ", ".join(LEVELS)
            raise FieldsError(f"level {self.level[:20]!r} is none of {known}", {"level": known})
        lowest = 0 if self.level == "DEBUG" else LEVELS[self.level]
        source = "" if self.source in FILES else self.source
        return Query(lowest=lowest, source=source, run=self.run, grep=self._pattern(), **times)

    def _pattern(self) -> Pattern | None:
        try:
            return Pattern(self.grep, plain=not self.regex, any_case=True) if self.grep else None
        except UsageError as error:
            raise FieldsError(str(error), {"grep": str(error)}) from None

    @property
    def file(self) -> str:
        """The log that has them."""
        return FILES.get(self.source, MAIN)


def as_record(entry: Entry) -> Body:
    """A record as plain values; lines that are no record are text without a level."""
    if (record := entry.record) is None:
        return {"time": entry.time, "level": "", "name": "", "text": entry.text, "run": None,
                "bucket": None, "worker": None, "more": None}  # fmt: skip
    bound: dict[str, Any] = {key: record.values.get(key) for key in ("run", "bucket")}
    workers = _WORKER.findall(record.message)
    bound["worker"] = record.values.get("worker") or (workers[-1] if workers else None)
    return {
        "time": record.time, "level": record.level, "name": record.logger, "text": record.text,
        **bound, "more": record.trace or None,
    }  # fmt: skip


async def follow_logs(config: Config, wanted: LogFilter) -> AsyncIterator[list[Body]]:
    """Records as they come, in lists. Raises BtcAiError where the log cannot be read."""
    query, name = wanted.query(), wanted.file
    loop, end = asyncio.get_running_loop(), threading.Event()
    coming: asyncio.Queue[list[Body] | BtcAiError] = asyncio.Queue()

    def tell(news: "list[Body] | BtcAiError") -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(coming.put_nowait, news)

    def look() -> None:
        try:
            reader = Reader(Layout(config.LOGGING.LOG_FORMAT))
            with closing(Follower(config.LOG_DIR, name, reader)) as follower:
                while not end.wait(LOOK_S):
                    found = [one for one in follower.look() if query.accepts(one)]
                    if found:
                        tell([as_record(one) for one in found[-AT_ONCE:]])
        except OSError as error:
            tell(BtcAiError(f"{name} in {config.LOG_DIR} cannot be read: {error.strerror}"))

    threading.Thread(target=look, name="follow logs", daemon=True).start()
    try:
        while True:
            news = await coming.get()
            if isinstance(news, BtcAiError):
                raise news
            yield news
    finally:
        end.set()
