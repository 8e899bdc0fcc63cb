"""A run as clients see it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from btc_ai.api.journal import Job, Step
from btc_ai.plugins.training.runner import Runner
from btc_ai.plugins.training.view import run_view

SPEC = {"symbol": "BTC/USDT", "interval": "5m", "market": None, "seed": 0, "transfer": True}


def step(position: int, name: str, state: str) -> Step:
    return Step(
        position, name, state, {"settings": {"learner": "cfq", "episodes": 3}}, {}, None, None
    )


def states(job_state: str, first: int | None = None) -> list[str]:
    steps = (
        step(0, "Scalping", "running"),
        step(1, "Short", "running"),
        step(2, "Long", "waiting"),
    )
    job = Job("abc234", "training", job_state, {**SPEC, "first": first}, "c", 0, 0, None, steps)
    return [one.state for one in run_view(job, {}).steps]


def test_one_bucket_alone_is_running() -> None:
    assert states("running", first=1) == ["stopped", "running", "waiting"]
    assert states("running") == ["running", "stopped", "waiting"]
    assert states("paused", first=1) == ["stopped", "paused", "waiting"]


def test_a_step_whose_model_is_the_twin_shows_the_twins_numbers(tmp_path: Path) -> None:
    def note(what: str, text: str) -> dict[str, object]:
        return {"what": what, "text": text}

    (tmp_path / "metrics.jsonl").write_text('{"episode": 1}\n{"episode": 4}\n')
    done = {"directory": "/m/B/run", "memory": [note("no_gpu", "none"), note("rung", "ours")]}
    outcome = {"model": str(tmp_path), "memory": [note("rung", "theirs")]}
    shown = Runner._of_twin(done, outcome)
    assert shown["progress"] == {"episode": 4, "metrics": {"episode": 4}}
    assert shown["memory"] == [note("no_gpu", "none"), note("rung", "theirs")]


@pytest.mark.parametrize(
    ("asked", "kinds", "decision", "untouched"),
    [
        (True, [], None, True),
        (True, ["weights"], "rolled_back", True),
        (True, ["weights"], "kept", False),
        (False, [], None, False),
    ],
)
def test_a_transfer_on_request_that_came_to_nothing_leaves_the_latest_model(
    tmp_path: Path, asked: bool, kinds: list[str], decision: str | None, untouched: bool
) -> None:
    (tmp_path / "B" / "old").mkdir(parents=True)
    (tmp_path / "B" / "old" / "model.json").write_text("{}")
    (tmp_path / "B" / "latest").symlink_to("old")
    spec: dict[str, object] = {"transfer_from": {}} if asked else {}
    one = Step(0, "B", "running", spec, {"transfer": {"kinds": kinds}}, None, None)
    job = Job("abc234", "training", "running", SPEC, "c", 0, 0, None, (one,))
    context = SimpleNamespace(worker=lambda name, on_health: None)
    runner = Runner(context, job, tmp_path, lambda _: None)
    assert runner._is_untouched(one, {"decision": decision} if decision else None) is untouched
