"""Asks the update server, and downloads from it, in a process of its own.

    python -m btc_ai.updates.download PARENT      reads a `Request` from standard input

It prints lines of JSON: {"received": …} while it downloads, then {"offer": …} or {"error": …}.
Whoever started it (`btc_ai.updates.asking`) ends it when it takes too long. It ends with its
parent, and leaves in the store whole wheels alone.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from packaging.version import Version

from btc_ai import __version__
from btc_ai.config import UpdateSystem
from btc_ai.durable import replace_durably
from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.execution.child import die_with_parent
from btc_ai.lock import Lock
from btc_ai.updates import store
from btc_ai.updates.choice import Wanted, candidates, unsuited
from btc_ai.updates.client import UpdateServer
from btc_ai.updates.index import Entry
from btc_ai.updates.layout import Layout
from btc_ai.updates.offer import News, Offer, Received, Request, layout_of
from btc_ai.updates.release import Release, Wheel
from btc_ai.updates.slotctl import Controller

TAKEN = "another process ({holder}) is already asking the update server; wait until it has ended"
NEWS_AT_MOST = 10
REPORT_EVERY_S = 0.2

Say = Callable[[dict[str, Any]], None]


class Meter:
    """Counts what arrives of a download, and says how far it is."""

    def __init__(self, say: Say) -> None:
        """say: hears of it every REPORT_EVERY_S, once `begin` was called."""
        self._say = say
        self._total: int | None = None
        self._bytes = 0
        self._began = self._said = 0.0

    def begin(self, total: int) -> None:
        """From now on, what arrives is a part of `total` bytes."""
        self._total, self._bytes, self._began = total, 0, time.monotonic()
        self.report()

    def add(self, count: int) -> None:
        """So many bytes have arrived."""
        self._bytes += count
        if self._total is not None and time.monotonic() - self._said >= REPORT_EVERY_S:
            self.report()

    def report(self) -> None:
        """Say how far it is."""
        total, self._said = self._total or 0, time.monotonic()
        rate = self._bytes / max(self._said - self._began, 1e-3)
        eta = (total - self._bytes) / rate if rate else None
        self._say({"received": asdict(Received(self._bytes, total, rate, eta))})


def answer(asked: Request, say: Say) -> Offer:
    """Do what is asked. Raises UpdateError; the store is then as it was, but for whole wheels."""
    layout = layout_of(asked)
    lock = Lock(layout.download_lock, "the update server", TAKEN)
    try:
        meter = Meter(say)
        settings = UpdateSystem.model_validate(asked.settings)
        server = UpdateServer(settings, layout.trust, meter.add)
        entries = server.releases()
        _forget_withdrawn(layout, entries)
        offer, release, lacking = _look(server, entries, layout, asked)
        if asked.fetch and release is not None:
            _download(server, layout, lacking, meter)
            store.stage(layout, release)
            return Offer(**{**vars(offer), "lacking": 0, "staged": True})
        if asked.version is None:
            content = json.dumps(offer.as_dict(), indent=1).encode() + b"\n"
            replace_durably(layout.last_check, content)
        return offer
    finally:
        lock.release()


def _forget_withdrawn(layout: Layout, entries: Sequence[Entry]) -> None:
    """What was downloaded before it was withdrawn cannot be installed any more."""
    for one in entries:
        if one.yanked and layout.desk is None:
            (layout.staged / f"{one.version}.json").unlink(missing_ok=True)


def _look(
    server: UpdateServer, entries: Sequence[Entry], layout: Layout, asked: Request
) -> tuple[Offer, Release | None, list[Wheel]]:
    """What is offered, and which of its wheels the store lacks."""
    notes: list[str] = []
    bad = Controller(layout.root).bad()
    wanted = Wanted(__version__, asked.version, asked.allow_downgrade, bad)
    found: Release | None = None
    for entry in candidates(entries, wanted, notes):
        release = server.release(entry.version)
        if (reason := unsuited(release)) is None:
            found = release
            break
        if asked.version is not None:
            raise UpdateError(reason)
        notes.append(reason)
    offer = Offer(__version__, server.name, time.time(), notes=notes)
    if found is None:
        return offer, None, []
    lacking = store.missing(layout, found)
    staged = not lacking and (layout.staged / f"{found.version}.json").is_file()
    more = {
        "version": found.version, "news": _news(server, entries, found),
        "bytes": sum(one.bytes for one in found.wheels), "staged": staged,
        "lacking": sum(one.bytes for one in lacking),
    }  # fmt: skip
    return Offer(**{**vars(offer), **more}), found, lacking


def _news(server: UpdateServer, entries: Sequence[Entry], release: Release) -> list[News]:
    """What the release brings, and those between the installed one and it."""
    between = [
        server.release(one.version)
        for one in entries
        if Version(__version__) < Version(one.version) < Version(release.version)
    ][: NEWS_AT_MOST - 1]
    return [News(one.version, one.released, one.changelog) for one in (release, *between)]


def _download(server: UpdateServer, layout: Layout, lacking: list[Wheel], meter: Meter) -> None:
    store.prepare(layout, lacking)
    meter.begin(sum(one.bytes for one in lacking))
    for wheel in lacking:
        with store.draft(layout, wheel) as path:
            server.fetch(wheel, path)
    meter.report()


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer the request on standard input."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that drafts are removed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and ends this
    die_with_parent(int(sys.argv[1]))
    try:
        _print({"offer": answer(Request(**json.load(sys.stdin)), _print).as_dict()})
    except BtcAiError as error:
        _print({"error": str(error)})
    except OSError as error:
        _print({"error": f"{error.filename or 'the disk'}: {error.strerror}; mend that, try again"})


if __name__ == "__main__":
    main()
