"""A run as clients see it."""

from pathlib import Path

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
