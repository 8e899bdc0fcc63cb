"""A run on a terminal: a bar and a curve a bucket, the machine below, what is new above."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from btc_ai.cli.context import state_of
from btc_ai.cli.episode_words import episode_words
from btc_ai.cli.sparkline import meter, sparkline
from btc_ai.cli.tables import memory_words, summary
from btc_ai.cli.transfer_words import news, transfer_words

Body = dict[str, Any]

WIDE = 96
CURVE = 24
"""Letters of a curve, at most."""
EPISODES = 48
"""How many of the newest a curve has."""


class BarView:
    """One progress bar a bucket, with the curve of its reward; the machine below."""

    def __init__(self, console: Console) -> None:
        """Take over the lines below."""
        self._console = console
        self._bars: dict[int, TaskID] = {}
        self._curves: dict[int, deque[float | None]] = {}
        self._said: set[tuple[int, str]] = set()
        self._progress = Progress(
            TextColumn("{task.fields[bucket]}"),
            BarColumn(bar_width=10 if console.width >= WIDE else 6),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[words]}", markup=False),
            console=console,
        )
        self._machine = Text(style="dim", no_wrap=True, overflow="ellipsis")
        self._live = Live(
            Group(self._progress, self._machine), console=console, refresh_per_second=5
        )
        self._open = True
        self._live.start()

    def close(self) -> None:
        """Stop drawing; the bars stay, the machine goes."""
        if self._open:
            self._open = False
            self._live.update(self._progress)
            self._live.stop()

    def past(self, position: int, rows: Iterable[Body]) -> None:
        """Begin the curve of a bucket."""
        self._curve(position).extend(row["reward"] for row in rows)

    def _curve(self, position: int) -> deque[float | None]:
        return self._curves.setdefault(position, deque(maxlen=EPISODES))

    def sample(self, body: Body) -> None:
        """Draw CPU, memory and GPUs in a line."""
        parts = {"CPU": body["host"]["cpu"], "memory": body["host"]["memory"]}
        for gpu in body["gpus"]:
            parts |= {f"GPU {gpu['index']}": gpu["utilisation"] or 0.0, "its memory": gpu["memory"]}
        words = [
            Text.assemble(f"{name} ", meter(share, 8), f" {share:.0%}")
            for name, share in parts.items()
        ]
        self._machine.plain = ""
        self._machine.append_text(Text("   ").join(words))

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
        elif (coming := state_of(state)) not in ("running", "queued"):
            self._progress.console.print(f"run {state['run']}: {coming}", markup=False)

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
            self._curve(body["position"]).append(body["metrics"]["reward"])
            self._progress.update(bar, completed=body["episode"], words=self._words(body))

    def memory(self, body: Body) -> None:
        """Put a line above the bars."""
        self._progress.console.print(f"{body['bucket']}: {memory_words(body)}", markup=False)

    def _words(self, body: Body) -> str:
        names = max(len(task.fields["bucket"]) for task in self._progress.tasks)
        count = len("{0}/{0}".format(body["metrics"]["episodes"]))
        bar = 10 if self._console.width >= WIDE else 6
        room = self._console.width - names - bar - count - 3
        said = episode_words(body, room=room)
        left = room - len(said) - 2
        curve = sparkline(self._curve(body["position"]), min(CURVE, left))
        return f"{said}  {curve}" if left >= 5 else said
