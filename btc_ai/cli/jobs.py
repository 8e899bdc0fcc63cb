"""Follows an evaluation job until it ends, and fetches its results."""

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from btc_ai.cli.context import Globals
from btc_ai.errors import BtcAiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from btc_ai.bus.client import Client, Subscription

Body = dict[str, Any]

ENDED = ("done", "failed", "stopped")
LINE_EVERY_S = 10.0


class InterruptedJobError(BtcAiError):
    """Ctrl-C; the job has been stopped."""

    code = "interrupted"


class Progress(Protocol):
    """Shows how far a job is."""

    def show(self, part: str, share: float, text: str) -> None:
        """A part's share in 0–1 and what it is doing."""

    def close(self) -> None:
        """Leave the terminal as it should be."""


def run_job(here: Globals, kind: str, body: Body) -> Body:
    """Send a command that begins a job, follow it, and return it with its parts' results.

    Ctrl-C stops the job. Raises InterruptedJobError then, and BtcAiError where the job failed.
    """
    with here.connect() as client:
        feed = client.subscribe("evaluation.")
        job = str(client.call(kind, body)["job"])
        with closing(make_progress(here)) as progress:

            def show(now: Body) -> None:
                progress.show(now["name"], now["share"], now["text"])

            try:
                state = follow_job(client, feed, "evaluation", {"job": job}, show)
            except KeyboardInterrupt:
                client.call("evaluation.stop", {"job": job}, timeout=60)
                raise InterruptedJobError("stopped; what was finished of it is kept") from None
        if state["state"] != "done":
            raise BtcAiError(state["error"] or f"it was {state['state']}")
        for part in state["parts"]:
            where = {"job": job, "position": part["position"]}
            part["result"] = client.call("evaluation.result", where)
        return state


def follow_job(
    client: "Client", feed: "Subscription", family: str, which: Body,
    show: "Callable[[Body], None]",
) -> Body:  # fmt: skip
    """Follow the job that the body `which` names until it ends; return its last state.

    `show` gets the body of each `family`.progress.
    """
    state = client.call(f"{family}.show", which)
    events = feed.events()
    while state["state"] not in ENDED:
        event, lost = next(events)
        if event is None or lost:
            state = client.call(f"{family}.show", which)
        elif not which.items() <= event.body.items():
            continue
        elif event.kind == f"{family}.progress":
            show(event.body)
        else:
            state = event.body
    return state


def make_progress(here: Globals) -> Progress:
    """On stderr a bar on a terminal, now and then a line elsewhere: stdout is for the result."""
    if here.quiet:
        return _Silence()
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Silence:
    """Shows nothing."""

    def show(self, part: str, share: float, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class _Lines(_Silence):
    """A line every ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, part: str, share: float, text: str) -> None:
        """Write a line, if it is time."""
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            sys.stderr.write(", ".join(filter(None, (f"{part}: {share:.0%}", text))) + "\n")


class _Bars:
    """One bar for the part that runs."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Display

        self._display = Display(
            TextColumn("{task.description}"), BarColumn(bar_width=20),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar = self._display.add_task("", total=1.0, words="")
        self._display.start()

    def show(self, part: str, share: float, text: str) -> None:
        """Move the bar."""
        self._display.update(self._bar, description=part, completed=share, words=text)

    def close(self) -> None:
        """Stop drawing."""
        self._display.stop()
