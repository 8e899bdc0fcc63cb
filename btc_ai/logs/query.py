"""Which records are asked for, and how they are found without reading every one."""

import math
import re
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from lzma import LZMAError

from btc_ai.logs.files import is_of
from btc_ai.logs.opening import OpenFile, OpenLog
from btc_ai.logs.pattern import Pattern
from btc_ai.logs.reading import SHORTEST, Entry, Reader
from btc_ai.logs.record import Record

_DAMAGED = (OSError, EOFError, zlib.error, LZMAError)
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_OTHERWISE_IN_JSON = ("True", "False", "None", "nan", "inf")


@dataclass(frozen=True)
class Query:
    """What a record must be; each left as it is: any. Times in Unix seconds, `until` exclusive."""

    lowest: int = 0
    since: float | None = None
    until: float | None = None
    source: str = ""
    run: str = ""
    grep: Pattern | None = None

    def accepts(self, entry: Entry) -> bool:
        """Whether it is asked for; what is no record only where everything is."""
        timed = self.since is not None or self.until is not None
        more = bool(self.lowest or self.source or self.run or self.grep)
        if timed and not self._is_in_time(entry.time):
            return False
        return not more or ((record := entry.record) is not None and self._is_of(record))

    def _is_in_time(self, time: float | None) -> bool:
        return (
            time is not None
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )

    def _is_of(self, record: Record) -> bool:
        return (
            record.severity >= self.lowest
            and (not self.source or is_of(record.logger, (self.source,)))
            and (not self.run or record.values.get("run") == self.run)
            and (self.grep is None or self.grep.finds(f"{record.text}\n{record.trace}"))
        )

    def texts(self, reader: Reader) -> list[bytes]:
        """Texts of which each record has one that is asked for; none: they must all be read."""
        rare = _usable(self.run) or _usable(self._literal())
        if self.lowest and not rare:
            return reader.level_texts(self.lowest)
        return rare or _usable(self.source)

    def _literal(self) -> str:
        """The word that `grep` looks for, if it is no more than that."""
        if self.grep is None or not self.grep.exact:
            return ""
        word = self.grep.text
        return "" if any(word in one for one in _OTHERWISE_IN_JSON) else word


def _usable(word: str) -> list[bytes]:
    """The word, if a file has it as it is, whatever the layout."""
    return [word.encode()] if len(word) >= SHORTEST and _WORD.fullmatch(word) else []


def _in_time(entries: Iterable[Entry], end: float) -> Iterator[Entry]:
    """Themselves. Raises TimeoutError at `end`, a time of the monotonic clock."""
    for entry in entries:
        if time.monotonic() >= end:
            raise TimeoutError
        yield entry


class Search:
    """One query of one log. A file that proves damaged becomes one of the log's `problems`."""

    def __init__(self, log: OpenLog, reader: Reader, query: Query) -> None:
        """Nothing is read yet."""
        self._log, self._reader, self._query = log, reader, query
        self._texts = query.texts(reader)

    def all(self) -> Iterator[Entry]:
        """The records that are asked for, oldest first."""
        for one in self._log.files:
            yield from self._found(one)

    def last(self, count: int, limit_s: float = math.inf) -> list[Entry]:
        """The last of them, `count` at most; no more is read than it takes.

        What is not reached in `limit_s` is left out, and the log has a problem that says so.
        """
        found: list[Entry] = []
        end = time.monotonic() + limit_s
        for one in reversed(self._log.files):
            missing = count - len(found)
            newest = deque[Entry]()
            try:
                newest = deque(self._found(one, end, last_blocks=1), missing)
                if len(newest) < missing:
                    newest = deque(self._found(one, end), missing)
            except TimeoutError:
                self._log.problems.append(
                    f"the search was ended after {limit_s:g} s, in {one.path.name}; what is older "
                    "is not shown: narrow it by level, source, run or time"
                )
                return [*newest, *found]
            found = [*newest, *found]
            if len(found) == count:
                break
        return found

    def around(self, count: int, last: int | None = None) -> Iterator[Entry | None]:
        """All (or the last) of them, each with `count` records before and after it.

        None stands where some are left out.
        """
        skipped = 0 if last is None else sum(1 for _ in self.all()) - last
        before, after, left_out, begun = deque[Entry](maxlen=count), 0, False, False
        for entry in self._everything():
            chosen = self._accepts(entry)
            skipped -= chosen
            if chosen and skipped < 0:
                if left_out and begun:
                    yield None
                yield from (*before, entry)
                before.clear()
                after, left_out, begun = count, False, True
            elif after:
                yield entry
                after -= 1
            else:
                left_out |= len(before) == count
                before.append(entry)

    def _accepts(self, entry: Entry) -> bool:
        """As the query has it; what lacks its texts need not be read."""
        return (
            not self._texts or any(text.decode() in entry.text for text in self._texts)
        ) and self._query.accepts(entry)

    def _found(
        self, one: OpenFile, end: float = math.inf, last_blocks: int | None = None
    ) -> Iterator[Entry]:
        read = _in_time(self._entries(one, self._texts, last_blocks), end)
        return filter(self._query.accepts, read)

    def _everything(self) -> Iterator[Entry]:
        for one in self._log.files:
            yield from self._entries(one, [])

    def _entries(
        self, one: OpenFile, texts: list[bytes], last_blocks: int | None = None
    ) -> Iterator[Entry]:
        try:
            one.file.seek(0)
            blocks = self._reader.blocks(one.file, one.stop)
            for block in blocks if last_blocks is None else deque(blocks, last_blocks):
                yield from self._reader.entries(block, texts)
        except _DAMAGED as error:
            self._log.problems.append(f"{one.path} cannot be read to its end: {error}")
