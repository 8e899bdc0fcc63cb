"""A transfer that is judged by a study: the verdict, and how the study is begun and taken up."""

import asyncio
from typing import Any, cast

import pytest

from btc_ai.api.service import Context
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import TrainingError
from btc_ai.plugins.training.studied import study_of, verdict_of

Body = dict[str, Any]


def results(low: float, high: float) -> Body:
    def along(*values: float) -> list[Body]:
        return [
            {"share": share, "episode": episode, "value": value, "low": low, "high": high}
            for share, episode, value in zip((0.0, 0.5, 1.0), (0, 5, 10), values, strict=True)
        ]

    target = {
        "arms": {
            "scratch": {"validation": along(0.0, 0.5, 0.8)},
            "transfer": {"validation": along(0.6, 0.7, 0.9)},
        },
        "differences": {"transfer": {"validation": along(0.6, 0.2, 0.1)}},
    }
    return {"study": "abc234", "seeds": 10, "buckets": [{}, target]}


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [(0.01, 0.2, "kept"), (-0.2, 0.2, "kept"), (-0.3, -0.01, "rolled_back")],
)
def test_only_a_loss_that_is_certain_is_taken_back(low: float, high: float, decision: str) -> None:
    verdict = verdict_of(results(low, high))
    assert verdict["decision"] == decision
    assert verdict["impact"]["difference"] == 0.1
    assert (verdict["impact"]["low"], verdict["impact"]["high"]) == (low, high)
    assert verdict["jumpstart"]["transferred"] == 0.6
    assert "10 seeds of study abc234" in verdict["reason"]


class StudyService:
    """Answers the `study.` commands with the states that the test says, one a look."""

    def __init__(self, *states: str) -> None:
        self._states = list(states)
        self.asked: list[str] = []

    async def call(self, kind: str, body: Body) -> Body:
        self.asked.append(kind.removeprefix("study."))
        if kind == "study.transfer":
            return {"study": "abc234"}
        assert body == {"study": "abc234"}
        if kind != "study.show":
            return {}
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return {"state": state, "error": None, "results": {"seeds": 2}}


def ask(service: StudyService, study: str | None, *, stop: bool = False) -> tuple[Body, list[str]]:
    begun: list[str] = []

    async def work() -> Body:
        stopping = asyncio.Event()
        if stop:
            stopping.set()
        return await study_of(cast(Context, service), {}, study, begun.append, stopping)

    return asyncio.run(work()), begun


def test_a_study_is_begun_once_and_its_id_kept() -> None:
    service = StudyService("running", "done")
    found, begun = ask(service, None)
    assert found == {"study": "abc234", "seeds": 2}
    assert begun == ["abc234"]
    assert service.asked == ["transfer", "show", "show"]


def test_a_study_that_was_interrupted_goes_on() -> None:
    service = StudyService("stopped", "running", "done")
    found, begun = ask(service, "abc234")
    assert found["seeds"] == 2
    assert not begun
    assert service.asked == ["show", "continue", "show", "show"]


def test_one_that_is_done_is_not_begun_again() -> None:
    service = StudyService("done")
    ask(service, "abc234")
    assert service.asked == ["show", "show"]


def test_a_run_that_is_stopped_stops_its_study() -> None:
    service = StudyService("running")
    with pytest.raises(StepStoppedError):
        ask(service, None, stop=True)
    assert service.asked[-1] == "stop"


def test_a_study_that_fails_is_an_error_that_names_it() -> None:
    with pytest.raises(TrainingError, match="abc234, which is to judge the transfer, did not end"):
        ask(StudyService("failed"), None)
