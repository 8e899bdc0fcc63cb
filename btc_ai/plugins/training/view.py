"""A run as clients see it."""

import json
from pathlib import Path
from typing import Any

from btc_ai.api.journal import Job, Step
from btc_ai.plugins.training.messages import RunView, StepView
from btc_ai.plugins.training.plan import next_step

Body = dict[str, Any]


def run_view(
    job: Job, progress: dict[int, Body], stalled_since: float | None = None,
    wanted: str | None = None,
) -> RunView:  # fmt: skip
    """One run without its history; `progress` is the newest of each step now in training.

    stalled_since: when a worker of the running step that says nothing was last heard. wanted: the
    state that it is being brought to.
    """
    spec = job.spec
    return RunView(
        run=job.id,
        state=job.state,
        wanted=wanted if job.state == "running" else None,
        error=job.error,
        created=job.created,
        updated=job.updated,
        symbol=spec["symbol"],
        interval=spec["interval"],
        synthetic=spec["market"] == "sample",
        seed=spec["seed"],
        transfer=spec["transfer"],
        steps=[
            _step_view(job, step, progress.get(step.position), stalled_since) for step in job.steps
        ],
    )


def _step_view(
    job: Job, step: Step, progress: Body | None, stalled_since: float | None
) -> StepView:
    directory = step.result.get("directory")
    newest = progress or step.result.get("progress")
    if newest is None and directory:
        newest = newest_progress(Path(directory))
    newest = newest or {}
    memory = step.result.get("memory", [])
    return StepView(
        position=step.position,
        bucket=step.name,
        state=_state(job, step),
        learner=step.spec["settings"]["learner"],
        episodes=step.spec["settings"]["episodes"],
        episode=newest.get("episode", 0),
        metrics=newest.get("metrics", {}),
        started=step.started,
        ended=step.ended,
        continued_from=step.spec.get("continue_from"),
        transfer=step.result.get("transfer"),
        verdict=step.result.get("verdict"),
        rolled_back=step.result.get("rolled_back"),
        directory=directory,
        memory=memory,
        degraded=any(note["degraded"] for note in memory),
        outcome=step.result.get("outcome"),
        restarts=step.result.get("restarts", {}),
        stalled_since=stalled_since if _state(job, step) == "running" else None,
    )


def _state(job: Job, step: Step) -> str:
    """The journal calls every step `running` that has begun; only one of a running job is."""
    if step.state != "running":
        return step.state
    return job.state if step == next_step(job) else "stopped"


def read_history(directory: Path, after: int, limit: int) -> list[Body]:
    """The metrics after an episode, oldest first."""
    return [row for row in _rows(directory) if row["episode"] > after][:limit]


def newest_progress(directory: Path) -> Body | None:
    """The progress that a step left in its file, None where it has not got to any."""
    rows = _rows(directory)
    return {"episode": rows[-1]["episode"], "metrics": rows[-1]} if rows else None


def _rows(directory: Path) -> list[Body]:
    """Every whole line of the metrics file; a line still being written is left out."""
    try:
        text = (directory / "metrics.jsonl").read_text(encoding="utf-8")
    except OSError:
        return []
    whole = text[: text.rfind("\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]
