"""Jobs that survive the daemon: what a service writes down before and after each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Body = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step of a job. `result` grows from nothing to what the step returned."""

    position: int
    name: str
    state: str
    spec: Body
    result: Body
    started: float | None
    ended: float | None


@dataclass(frozen=True)
class Job:
    """A job and its steps, in order. Times are seconds since 1970, UTC."""

    id: str
    kind: str
    state: str
    spec: Body
    parent_id: str
    created: float
    updated: float
    error: str | None = None
    steps: tuple[Step, ...] = field(default=())


class Journal(Protocol):
    """The store of jobs. A call is durable when it returns; raises BtcAiError where it is not."""

    def add(self, kind: str, spec: Body, steps: Sequence[tuple[str, Body]], parent_id: str) -> Job:
        """Write a new job in state `queued`, its steps `waiting`."""

    def add_step(self, job: str, name: str, spec: Body) -> Job:
        """Append a step to a job."""

    def jobs(self, kind: str, limit: int = 100) -> list[Job]:
        """The newest jobs of a kind, newest first."""

    def job(self, job: str) -> Job:
        """One job, by its id. Raises BtcAiError where there is none."""

    def set_job(
        self, job: str, *, state: str | None = None, spec: Body | None = None,
        error: str | None = None,
    ) -> Job:  # fmt: skip
        """Change what is given; `error` is cleared where it is not."""

    def set_step(self, job: str, position: int, *, state: str, result: Body | None = None) -> Job:
        """Change a step's state; the first `running` sets its start, `done` its end."""
