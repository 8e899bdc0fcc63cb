"""How a run is shown while it trains: lines in a pipe, JSON for programs; `bars` on a terminal."""

import sys
import time
from collections.abc import Iterable
from typing import Any, Protocol

from rich.console import Console

from btc_ai.cli.bars import BarView
from btc_ai.cli.context import print_json, state_of
from btc_ai.cli.episode_words import episode_words
from btc_ai.cli.tables import memory_words, summary
from btc_ai.cli.transfer_words import news, transfer_words

Body = dict[str, Any]

LINE_EVERY_S = 2.0


class View(Protocol):
    """Shows the states and the progress of one run."""

    def run(self, state: Body) -> None:
        """The run, whole, after a change of state."""

    def progress(self, body: Body) -> None:
        """The end of an episode."""

    def memory(self, body: Body) -> None:
        """What was done when memory ran short."""

    def past(self, position: int, rows: Iterable[Body]) -> None:
        """The newest episodes of a bucket, before any that `progress` tells."""

    def sample(self, body: Body) -> None:
        """The machine, each UPDATE_INTERVAL seconds."""

    def close(self) -> None:
        """Leave the terminal as it should be; may be called twice."""


def make_view(*, as_json: bool, quiet: bool) -> View:
    """The view that fits where the output goes."""
    if as_json:
        return JsonView()
    console = Console(highlight=False)
    if console.is_terminal and not quiet:
        return BarView(console)
    return LineView(console, quiet=quiet)


class _Plain:
    """A view without curves and without a machine, and with nothing to clean up."""

    def past(self, position: int, rows: Iterable[Body]) -> None:
        """Nothing: what is past has been said."""

    def sample(self, body: Body) -> None:
        """Nothing: what is said is of the run."""

    def close(self) -> None:
        """Nothing to clean up."""


class JsonView(_Plain):
    """One JSON object a line."""

    def run(self, state: Body) -> None:
        """Print the run."""
        print_json({"event": "run", **state})
        sys.stdout.flush()

    def progress(self, body: Body) -> None:
        """Print the episode."""
        print_json({"event": "progress", **body})
        sys.stdout.flush()

    def memory(self, body: Body) -> None:
        """Print the note."""
        print_json({"event": "memory", **body})
        sys.stdout.flush()


class LineView(_Plain):
    """Plain lines: an episode every two seconds, each state once, the summary at the end."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        """Lines to `console`; when `quiet` the summary alone."""
        self._console, self._quiet = console, quiet
        self._said: set[tuple[int, str]] = {(-1, "queued")}
        self._next = 0.0

    def run(self, state: Body) -> None:
        """Say which buckets began or ended; at the end print the summary."""
        for step in state["steps"]:
            self._news(step)
            key = (step["position"], step["state"])
            if key in self._said or step["state"] == "waiting":
                continue
            self._said.add(key)
            self._say(f"{step['bucket']}: {step['state']}{transfer_words(step)}")
        if state["state"] == "done":
            self._console.print(summary(state, self._console.width))
        elif (said := state_of(state)) != "running" and (-1, said) not in self._said:
            self._said.add((-1, said))
            self._say(f"run {state['run']}: {said}")

    def _news(self, step: Body) -> None:
        for name, text in news(step).items():
            if (step["position"], name) not in self._said:
                self._said.add((step["position"], name))
                self._say(f"{step['bucket']}: {text}")

    def progress(self, body: Body) -> None:
        """Say how an episode went, not too often."""
        last = body["episode"] == body["metrics"]["episodes"]
        if time.monotonic() < self._next and not last:
            return
        self._next = time.monotonic() + LINE_EVERY_S
        episodes = body["metrics"]["episodes"]
        self._say(f"{body['bucket']} {body['episode']}/{episodes}  {episode_words(body)}")

    def memory(self, body: Body) -> None:
        """Say what was done when memory ran short."""
        self._say(f"{body['bucket']}: {memory_words(body)}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True, markup=False)
            sys.stdout.flush()
