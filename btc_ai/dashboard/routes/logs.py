"""Pages of what was logged, newest first to be asked, oldest first to be read."""

import time
from contextlib import closing
from itertools import takewhile

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.discovery import discover
from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.dashboard.errors import FieldsError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import query_of
from btc_ai.dashboard.tail import FILES, LogFilter, as_record
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Entry, Reader

DAY_S = 24 * 3600.0
LIMIT_S = 10.0
"""How long a page of records is looked for."""
INSTANT_S = 1e-6
"""Less than the times of two records differ by, if they do."""


class LogsQuery(LogFilter):
    """A page of records; `before`: the cursor that the page after it gave."""

    level: str = "INFO"
    days: float = Field(7, gt=0, le=36_500)
    since: float | None = Field(None, ge=0)
    until: float | None = Field(None, ge=0)
    limit: int = Field(300, ge=1, le=2000)
    before: str = Field("", max_length=60)


async def logs(parts: Parts, request: Request) -> Body:
    """A page, who may have logged, and what could not be read."""
    asked = query_of(request, LogsQuery)
    return await in_thread(lambda: _page(parts.config, asked))


def _page(config: Config, asked: LogsQuery) -> Body:
    until, seen = _cursor(asked)
    since = asked.since if asked.since is not None else time.time() - asked.days * DAY_S
    layout = Layout(config.LOGGING.LOG_FORMAT)
    times = {"since": since, "until": until} if layout.has_time else {}
    query = asked.query(**times)
    problems = _missing(layout, query)
    try:
        with closing(open_log(config.LOG_DIR, asked.file, since)) as log:
            found = Search(log, Reader(layout), query).last(asked.limit + seen, LIMIT_S)
            problems += dict.fromkeys(log.problems)
            if not log.exists:
                problems.append(f"there is no {asked.file} in {config.LOG_DIR} yet")
    except OSError as error:
        found = []
        problems.append(f"{config.LOG_DIR} cannot be read: {error.strerror}")
    found = found[: max(0, len(found) - seen)]
    return {
        "records": [as_record(one) for one in found],
        "before": _cursor_before(found, until, seen) if len(found) == asked.limit else None,
        "sources": sorted({*FILES, "daemon", *(one.name for one in discover())}),
        "problems": problems,
    }


def _cursor(asked: LogsQuery) -> tuple[float | None, int]:
    """Before which time, and how many records just before it were on the page after this one."""
    if not asked.before:
        return asked.until, 0
    moment, _, seen = asked.before.partition(":")
    try:
        return float(moment) + INSTANT_S, int(seen)
    except ValueError:
        raise FieldsError("before is no cursor", {"before": "is no cursor"}) from None


def _cursor_before(found: list[Entry], until: float | None, seen: int) -> str | None:
    """The cursor of the page before; None: the log does not tell when its records were written."""
    first = found[0].time
    if first is None:
        return None
    alike = len(list(takewhile(lambda one: one.time == first, found)))
    again = seen if until is not None and until == first + INSTANT_S else 0
    return f"{first!r}:{alike + again}"


def _missing(layout: Layout, query: Query) -> list[str]:
    """What LOG_FORMAT does not tell, and was asked for."""
    told = {
        "%(levelname)s": layout.has_level or not query.lowest,
        "%(name)s": layout.has_logger or not query.source,
        "%(asctime)s": layout.has_time,
    }
    return [
        f"LOGGING.LOG_FORMAT lacks {name}, so that such records cannot be told; add it"
        for name, there in told.items()
        if not there
    ]
