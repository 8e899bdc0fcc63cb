"""What becomes of a step where one of its two arms does not do what it should."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from btc_ai.api.service import Context
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import TrainingError
from btc_ai.plugins.training.arms import JUDGE, Arms

Body = dict[str, Any]
Script = Callable[[str, Body, Callable[[Body], None]], Any]

ARGUMENTS: Body = {"directory": "/m/B/run", "transfer": {"id": "run-1"}, "scratch": None}


class ScriptedWorker:
    """A process that does what the test says, and stops when it is told to."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.stopped = asyncio.Event()
        self.ran: list[tuple[str, Body]] = []
        self._outcome: Body | None = None

    async def run(self, function: str, arguments: Body, on_progress: Callable[[Body], None]) -> Any:
        self.ran.append((function, arguments))
        outcome = self._script(function, arguments, on_progress)
        if outcome is None:
            await self.stopped.wait()
            if self._outcome is not None:
                return self._outcome
            raise StepStoppedError("stopped")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def finish(self, outcome: Body) -> None:
        self._outcome = outcome
        self.stopped.set()

    async def stop(self) -> None:
        self.stopped.set()

    async def close(self) -> None:
        """Nothing is left to end."""


class Processes:
    """The context of a run: its first worker trains, those after it are twins."""

    def __init__(self, ours: Script, theirs: Script) -> None:
        self._scripts = [ours, theirs]
        self.workers: list[ScriptedWorker] = []

    def worker(self, name: str, on_health: object) -> ScriptedWorker:
        self.workers.append(ScriptedWorker(self._scripts[min(len(self.workers), 1)]))
        return self.workers[-1]


def train(
    ours: Script, theirs: Script
) -> tuple[Body, Body | None, list[ScriptedWorker], list[Body]]:
    heard: list[Body] = []

    async def both() -> tuple[Body, Body | None, list[ScriptedWorker]]:
        processes = Processes(ours, theirs)
        arms = Arms(cast(Context, processes), "run", lambda *_: None)
        both_arms = arms.train_measured(ARGUMENTS, heard.append)
        outcome, verdict = await asyncio.wait_for(both_arms, 10)
        return outcome, verdict, processes.workers

    outcome, verdict, workers = asyncio.run(both())
    return outcome, verdict, workers, heard


def finishing(decision: str) -> Script:
    def script(function: str, arguments: Body, hear: Callable[[Body], None]) -> Body:
        if function == JUDGE and arguments["failure"]:
            return {"decision": None, "error": arguments["failure"]}
        if function == JUDGE:
            return {"decision": decision}
        hear({"transfer": {"kinds": ["weights"]}})
        return {"model": arguments["directory"]}

    return script


def scratch(function: str, arguments: Body, hear: Callable[[Body], None]) -> Body:
    hear({"episode": 1})
    hear({"diverged": {"text": "no number"}})
    return {"model": arguments["directory"]}


@pytest.mark.parametrize(
    ("decision", "model"), [("kept", "/m/B/run"), ("rolled_back", "/m/B/run-scratch")]
)
def test_the_verdict_says_whose_model_it_is(decision: str, model: str) -> None:
    outcome, verdict, workers, heard = train(finishing(decision), scratch)
    assert outcome == {"model": model}
    assert verdict == {"decision": decision}
    assert workers[1].ran[0][1]["transfer"] is None
    assert {"transfer": {"kinds": ["weights"]}} in heard
    assert not any("episode" in body for body in heard), "the twin is not heard"
    assert {"diverged": {"text": "no number", "arm": "scratch"}} in heard, "but for an alert"


@pytest.mark.parametrize("cores", [1, 2])
def test_what_a_twin_costs_is_said(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)))
    *_, heard = train(finishing("kept"), scratch)
    said = [key for body in heard for key in body.get("said", {})]
    assert said == (["one_core", "waiting"] if cores == 1 else ["waiting"])


def test_where_nothing_was_carried_the_twin_is_stopped_at_once(tmp_path: Path) -> None:
    """While the other arm still trains; its files are gone as well."""
    twin = tmp_path / "run-scratch"
    twin.mkdir()

    async def both() -> tuple[Body, Body | None]:
        def ours(function: str, arguments: Body, hear: Callable[[Body], None]) -> None:
            hear({"transfer": {"kinds": []}})

        processes = Processes(ours, lambda *_: None)
        arms = Arms(cast(Context, processes), "run", lambda *_: None)
        arguments = {**ARGUMENTS, "directory": str(tmp_path / "run")}
        training = asyncio.create_task(arms.train_measured(arguments, lambda _: None))
        while len(processes.workers) < 2:
            await asyncio.sleep(0)
        await asyncio.wait_for(processes.workers[-1].stopped.wait(), 10)
        while twin.exists():
            await asyncio.sleep(0.001)
        assert not training.done()
        processes.workers[0].finish({"model": "ours"})
        return await asyncio.wait_for(training, 10)

    assert asyncio.run(both()) == ({"model": "ours"}, None)


def test_a_twin_that_fails_costs_the_verdict_and_not_the_run() -> None:
    outcome, verdict, _, _ = train(finishing("kept"), lambda *_: TrainingError("no luck"))
    assert outcome == {"model": "/m/B/run"}
    assert verdict is not None
    assert verdict["decision"] is None
    assert "no luck" in verdict["error"]


def test_a_run_that_fails_stops_its_twin() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        train(lambda *_: TrainingError("diverged"), lambda *_: None)


def test_without_a_twin_there_is_nothing_to_take_the_place_of_a_run_rolled_back() -> None:
    with pytest.raises(TrainingError, match="no luck"):
        train(lambda *_: {"rolled_back": "below"}, lambda *_: TrainingError("no luck"))
