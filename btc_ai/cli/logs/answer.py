"""What `btc-ai logs` does for a request: shows, counts, explains or follows."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from btc_ai.cli.context import print_json
from btc_ai.cli.logs.request import Request
from btc_ai.cli.logs.show import Lines, paged, problem_lines
from btc_ai.errors import BtcAiError
from btc_ai.logs.explaining import explain
from btc_ai.logs.following import Follower
from btc_ai.logs.opening import OpenLog
from btc_ai.logs.query import Search
from btc_ai.logs.reading import Entry

INTERRUPTED = 130
NONE = "there is no such record"


@dataclass(frozen=True)
class Answer:
    """Each way returns the exit code: 1 where some file could not be read."""

    request: Request
    lines: int | None
    as_json: bool
    quiet: bool

    def count(self) -> int:
        """Print how many records there are."""
        with closing(self.request.open()) as log:
            number = sum(1 for _ in self._search(log).all())
            if self.as_json:
                print_json({"count": number})
            else:
                sys.stdout.write(f"{number}\n")
            return self._end(log, number)

    def explain(self) -> int:
        """Print each kind of error once."""
        with closing(self.request.open()) as log:
            records = (entry.record for entry in self._search(log).all())
            problems = explain(record for record in records if record)
            lines = problem_lines(problems, as_json=self.as_json)
            return self._print(log, lines, "there is nothing to explain")

    def show(self, context: int | None) -> int:
        """Print the records."""
        with closing(self.request.open()) as log:
            search = self._search(log)
            found: Iterable[Entry | None]
            if context:
                found = search.around(context, self.lines)
            else:
                found = search.last(self.lines) if self.lines else search.all()
            return self._print(log, Lines(as_json=self.as_json).each(found))

    def follow(self) -> int:
        """Print records as they come, after the last `lines` or those since a time, until Ctrl-C.

        Raises BtcAiError where the log cannot be read.
        """
        try:
            for text in Lines(as_json=self.as_json).each(self._followed()):
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0

    def _followed(self) -> Iterator[Entry]:
        request = self.request
        try:
            with closing(Follower(request.folder, request.name, request.reader)) as follower:
                yield from self._earlier(follower)
                yield from filter(request.query.accepts, follower.entries())
        except OSError as error:
            raise BtcAiError(f"{request.name} cannot be read: {error.strerror}") from None

    def _earlier(self, follower: Follower) -> Iterator[Entry]:
        """What is asked for of what was there before."""
        if follower.file is None:
            where = f"{self.request.name} in {self.request.folder}"
            self._note(f"there is no {where} yet{self.request.hint}; waiting for it")
            return
        self.request.check_source()
        with closing(self.request.open()) as log:
            log.end_at(follower.file, follower.position)
            if self.lines:
                yield from self._search(log).last(self.lines)
            elif self.request.query.since is not None:
                yield from self._search(log).all()
            self._tell(log)

    def _search(self, log: OpenLog) -> Search:
        return Search(log, self.request.reader, self.request.query)

    def _print(self, log: OpenLog, texts: Iterable[str], none: str = NONE) -> int:
        number = 0
        with paged() as out:
            for number, text in enumerate(texts, 1):  # noqa: B007
                out.write(f"{text}\n")
        return self._end(log, number, none)

    def _end(self, log: OpenLog, number: int, none: str = NONE) -> int:
        if not number:
            self.request.check_source()
            self._note(none)
        return self._tell(log)

    def _note(self, text: str) -> None:
        if not self.quiet:
            sys.stderr.write(f"btc-ai: {text}\n")
            sys.stderr.flush()

    @staticmethod
    def _tell(log: OpenLog) -> int:
        for problem in dict.fromkeys(log.problems):
            sys.stderr.write(f"btc-ai: {problem}\n")
        return 1 if log.problems else 0
