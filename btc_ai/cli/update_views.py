"""How `btc-ai update` shows a download, an offer, and what is known."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from btc_ai.cli.context import Globals

if TYPE_CHECKING:
    from btc_ai.updates.offer import Offer, Received

MIB = 1 << 20
_KINDS = {"slots": "a release slot", "editable": "a checkout", "pip": "by pip"}


@contextmanager
def progress(here: Globals) -> Iterator[Callable[["Received"], None]]:
    """A bar on a terminal; elsewhere a line for each tenth."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal or here.quiet:
        yield _lines(here)
        return
    columns = (BarColumn(), DownloadColumn(True), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("download", total=None)
        yield lambda now: bar.update(task, completed=now.bytes, total=now.total)


def _lines(here: Globals) -> Callable[["Received"], None]:
    said = 0

    def received(now: "Received") -> None:
        nonlocal said
        tenth = 10 * now.bytes // now.total if now.total else 0
        if tenth > said and not here.quiet:
            said = tenth
            size, rate = f"{now.total / MIB:,.1f} MiB", f"{now.rate / MIB:,.2f} MiB/s"
            eta = "" if now.eta is None else f", {now.eta:,.0f} s to go"
            sys.stderr.write(f"{10 * tenth} % of {size}, {rate}{eta}\n")

    return received


def nothing_newer(offer: "Offer") -> str:
    """That there is nothing to update to; why some releases do not suit is said on stderr."""
    _print_notes(offer)
    newer = "nothing newer that suits" if offer.notes else "nothing newer"
    state = "stays" if offer.notes else "is up to date"
    return f"{offer.current} {state}: {offer.server} has {newer}"


def print_offer(here: Globals, offer: "Offer", options: str) -> None:
    """What is there, what it brings, and what to do. options: with which it was asked for."""
    if offer.version is None:
        here.say(nothing_newer(offer))
        return
    _print_notes(offer)
    here.say(f"{offer.version} is there; {offer.current} is installed")
    for one in offer.news:
        here.say(f"\n{one.version} of {one.released}\n{one.changelog.strip()}")
    if offer.staged:
        here.say(f"\n{offer.version} is here already; `btc-ai update install{options}` installs it")
    else:
        here.say(
            f"\n{offer.lacking / MIB:,.1f} MiB to fetch of {offer.bytes / MIB:,.1f}: "
            f"`btc-ai update download{options}`"
        )


def _print_notes(offer: "Offer") -> None:
    for note in offer.notes:
        sys.stderr.write(f"note: {note}\n")


def status_rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known, by name, for people."""
    yield "installed", f"{found['installed']} ({_KINDS[found['kind']]})"
    yield "server", found["server"] if found["enabled"] else "UPDATE_SYSTEM.ENABLED is false"
    yield "trust", found["trust"]
    if (last := found["last_check"]) is None:
        yield "last check", "never"
    else:
        newest = f"{last['version']} was there" if last["version"] else "nothing newer"
        yield "last check", f"{moment(last['checked'])}: {newest}"
    yield "downloaded", ", ".join(found["staged"]) or "nothing"
    yield "store", f"{found['wheels']} wheels, {found['bytes'] / MIB:,.1f} MiB in {found['root']}"
    if trial := found["pending"]:
        yield "on trial", f"{trial['to']}, instead of {trial['from']}"
    for version, why in found["bad"].items():
        yield "failed", f"{version}: {why['reason']}"


def moment(seconds: float) -> str:
    """A time, to the minute."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
