"""A run as clients see it."""

from btc_ai.api.journal import Job, Step
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
