"""`follow` against a daemon's answers and events in an awkward order."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from btc_ai.bus.client import Client, Subscription
from btc_ai.bus.codec import Envelope
from btc_ai.cli.train import _events

Body = dict[str, Any]


def state(name: str, updated: float) -> Body:
    return {"run": "abc234", "state": name, "updated": updated, "steps": []}


class Seen:
    """A view that keeps what it is shown."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def run(self, state: Body) -> None:
        self.states.append(state["state"])

    def progress(self, body: Body) -> None:
        self.states.append("progress")

    def memory(self, note: Body) -> None:
        self.states.append("memory")

    def past(self, position: int, rows: Iterable[Body]) -> None:
        self.states.append(f"past {position}")

    def sample(self, body: Body) -> None:
        self.states.append("sample")

    def close(self) -> None:
        pass


def follow(tmp_path: Path, answers: list[Body], heard: list[Body]) -> list[str]:
    def events() -> Iterator[tuple[Envelope | None, bool]]:
        for body in heard:
            yield Envelope("training.run", body, "training"), False

    left = iter(answers)
    client = SimpleNamespace(runtime=tmp_path, call=lambda kind, body: next(left))
    view = Seen()
    _events(
        cast(Client, client), cast(Subscription, SimpleNamespace(events=events)), "abc234", view
    )
    return view.states


def test_events_from_before_the_answer_are_not_shown_after_it(tmp_path: Path) -> None:
    heard = [state("queued", 1), state("running", 2), state("done", 3)]
    assert follow(tmp_path, [state("running", 2)], heard) == ["running", "done"]
