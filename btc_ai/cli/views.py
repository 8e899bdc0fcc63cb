"""How a run is shown while it trains: bars on a terminal, lines in a pipe, JSON for programs."""

import sys
import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from btc_ai.cli.context import print_json
from btc_ai.cli.tables import duration, memory_words, number, summary
from btc_ai.cli.transfer_words import news, transfer_words

Body = dict[str, Any]

LINE_EVERY_S = 2.0
WIDE = 96
DROPPED_FIRST = ("speed", "loss", "pf", "win")


class View(Protocol):
    """Shows the states and the progress of one run."""

    def run(self, state: Body) -> None:
        """The run, whole, after a change of state."""

    def progress(self, body: Body) -> None:
        """The end of an episode."""

    def memory(self, body: Body) -> None:
        """What was done when memory ran short."""

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
    """A view with nothing to clean up."""

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
        elif state["state"] != "running" and (-1, state["state"]) not in self._said:
            self._said.add((-1, state["state"]))
            self._say(f"run {state['run']}: {state['state']}")

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
        self._say(
            f"{body['bucket']} {body['episode']}/{body['metrics']['episodes']}  {words(body)}"
        )

    def memory(self, body: Body) -> None:
        """Say what was done when memory ran short."""
        self._say(f"{body['bucket']}: {memory_words(body)}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True, markup=False)
            sys.stdout.flush()


class BarView:
    """One progress bar a bucket."""

    def __init__(self, console: Console) -> None:
        """Take over the lines below."""
        self._console = console
        self._bars: dict[int, TaskID] = {}
        self._said: set[tuple[int, str]] = set()
        self._progress = Progress(
            TextColumn("{task.fields[bucket]}"),
            BarColumn(bar_width=10 if console.width >= WIDE else 6),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[words]}", markup=False),
            console=console,
        )
        self._open = True
        self._progress.start()

    def close(self) -> None:
        """Stop drawing."""
        if self._open:
            self._open = False
            self._progress.stop()

    def run(self, state: Body) -> None:
        """Draw the buckets as they are; at the end print the summary."""
        for step in state["steps"]:
            bar = self._bar(step)
            self._news(step)
            said = step["state"] + transfer_words(step)
            if step["state"] in ("running", "done") and step["metrics"]:
                said = self._words(step)
            done = step["episodes"] if step["state"] == "done" else step["episode"]
            self._progress.update(bar, completed=done, words=said)
        if state["state"] == "done":
            self.close()
            self._console.print("", summary(state, self._console.width), sep="\n")
        elif state["state"] not in ("running", "queued"):
            self._progress.console.print(f"run {state['run']}: {state['state']}", markup=False)

    def _news(self, step: Body) -> None:
        for name, text in news(step).items():
            if (step["position"], name) not in self._said:
                self._said.add((step["position"], name))
                self._progress.console.print(f"{step['bucket']}: {text}", markup=False)

    def _bar(self, step: Body) -> TaskID:
        if step["position"] not in self._bars:
            self._bars[step["position"]] = self._progress.add_task(
                "", total=step["episodes"], bucket=step["bucket"], words=""
            )
        return self._bars[step["position"]]

    def progress(self, body: Body) -> None:
        """Move the bucket's bar."""
        bar = self._bars.get(body["position"])
        if bar is not None:
            self._progress.update(bar, completed=body["episode"], words=self._words(body))

    def memory(self, body: Body) -> None:
        """Put a line above the bars."""
        self._progress.console.print(f"{body['bucket']}: {memory_words(body)}", markup=False)

    def _words(self, body: Body) -> str:
        names = max(len(task.fields["bucket"]) for task in self._progress.tasks)
        count = len("{0}/{0}".format(body["metrics"]["episodes"]))
        bar = 10 if self._console.width >= WIDE else 6
        return words(body, room=self._console.width - names - bar - count - 3)


def words(body: Body, *, room: int = 100) -> str:
    """Reward, loss, win rate, profit factor, speed and time left; in little room not all."""
    metrics = body["metrics"]
    parts = {
        "reward": f"reward {number(metrics['reward'], '+.3f')}",
        "loss": f"loss {number(metrics['loss'], '.3f')}",
        "win": f"win {number(metrics['win_rate'], '.0%')}",
        "pf": f"pf {number(metrics['profit_factor'], '.2f')}",
    }
    if metrics.get("bars_per_second"):
        parts["speed"] = f"{metrics['bars_per_second'] / 1000:.0f}k bars/s"
    if body.get("eta_s"):
        parts["left"] = f"{duration(body['eta_s'])} left"
    for name in DROPPED_FIRST:
        if len("  ".join(parts.values())) > room:
            parts.pop(name, None)
    return "  ".join(parts.values())
