"""What the options of `btc-ai logs` ask for, checked against the configuration."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from btc_ai.cli.logs.times import moment
from btc_ai.config import Config, nearest
from btc_ai.errors import BtcAiError, UsageError
from btc_ai.logs.files import ERRORS, MAIN, TRAINING, UPDATES
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import OpenLog, open_log
from btc_ai.logs.pattern import Pattern
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Reader
from btc_ai.logs.record import LEVELS

FILES = {"training": TRAINING, "update": UPDATES, "error": ERRORS}
"""What --source takes beside the names of who logs, and which log that is."""
ADD = "add it to LOGGING.LOG_FORMAT, which holds for what is logged from then on"


@dataclass(frozen=True)
class Request:
    """Which records of which log."""

    folder: Path
    name: str
    layout: Layout
    query: Query
    hint: str

    @property
    def reader(self) -> Reader:
        """A reader of the log."""
        return Reader(self.layout)

    def open(self) -> OpenLog:
        """The log's files. Raises BtcAiError where there is none."""
        if not self.folder.is_dir():
            raise BtcAiError(f"nothing was logged yet, there is no folder {self.folder}{self.hint}")
        try:
            log = open_log(self.folder, self.name, self.query.since)
        except OSError as error:
            raise BtcAiError(f"{self.folder} cannot be read: {error.strerror}") from None
        if not log.exists:
            raise BtcAiError(f"there is no {self.name} in {self.folder} yet{self.hint}")
        return log

    def check_source(self) -> None:
        """Raise UsageError where nobody of the name that --source gives ever logged, nor could."""
        from btc_ai.api.discovery import discover

        plugins = [one.name for one in discover()]
        if not self.query.source or self.query.source in plugins:
            return
        with closing(open_log(self.folder, self.name)) as log:
            own = Search(log, self.reader, Query(source=self.query.source))
            if any(True for _ in own.all()):
                return
        known = list(dict.fromkeys((*FILES, *plugins)))
        raise UsageError(
            f"--source {self.query.source!r}: no plugin has that name, and no record of it is "
            f"there{nearest(self.query.source, known)}; known are {', '.join(known)}, and every "
            "part that has logged, such as daemon"
        )


def make_request(
    config: Config,
    *,
    level: str | None,
    since: str | None,
    until: str | None,
    source: str | None,
    run: str | None,
    grep: str | None,
) -> Request:
    """Raises UsageError for what is wrong, or cannot be told from records of LOG_FORMAT."""
    is_file = source is None or source in FILES
    query = Query(
        lowest=LEVELS[level] if level else 0,
        since=moment("--since", since) if since else None,
        until=moment("--until", until) if until else None,
        source="" if is_file else source or "",
        run=run or "",
        grep=_pattern(grep) if grep else None,
    )
    layout = Layout(config.LOGGING.LOG_FORMAT)
    _check_layout(layout, query)
    hint = "" if config.LOGGING.FILE_LOGGING else "; LOGGING.FILE_LOGGING is switched off"
    name = FILES.get(source or "", MAIN)
    return Request(config.LOG_DIR, name, layout, query, hint)


def _pattern(grep: str) -> Pattern:
    try:
        return Pattern(grep)
    except UsageError as error:
        raise UsageError(f"--grep {error}") from None


def _check_layout(layout: Layout, query: Query) -> None:
    if query.lowest and not layout.has_level:
        raise UsageError(
            f"records do not tell their level; {ADD}: %(levelname)s. error.log has ERROR and above "
            "alone: --source error"
        )
    if not layout.has_time and (query.since is not None or query.until is not None):
        raise UsageError(f"records do not tell when they were written; {ADD}: %(asctime)s")
    if query.source and not layout.has_logger:
        raise UsageError(f"records do not tell who logged them; {ADD}: %(name)s")
