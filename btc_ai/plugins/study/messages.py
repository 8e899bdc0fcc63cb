"""The bodies of the `study.` commands and events; see `docs/messaging.md`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event
from btc_ai.names import TransferKind

Body = dict[str, Any]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TransferStudyBody(_Command):
    """Which buckets, how often and how long, what is carried, and where the runs are done."""

    sequence: list[str] | None = Field(None, min_length=1)
    seeds: int = Field(10, ge=2, le=100)
    episodes: int | None = Field(None, ge=1)
    kinds: list[TransferKind] | None = Field(None, min_length=1)
    learner: str | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    executor: str = "process"
    workers: int | None = Field(None, ge=1, le=10_000)
    address: str | None = Field(None, min_length=1, max_length=200)
    symbol: str | None = None
    interval: str | None = None
    market: str | None = None


class ListBody(_Command):
    """How many, newest first."""

    limit: int = Field(20, ge=1, le=500)


class StudyBody(_Command):
    """A study: its id, the beginning of one, or nothing for the newest."""

    study: str | None = None


class StudyView(Event):
    """A study without its results; published on each change of state.

    Times: seconds since 1970. done: runs that have ended, None before that is known.
    """

    kind = "study.state"

    study: str
    state: str
    error: str | None
    created: float
    updated: float
    symbol: str
    interval: str
    buckets: list[str]
    seeds: int
    episodes: int
    kinds: list[str]
    executor: str
    done: int | None
    runs: int
    eta_s: float | None
    folder: str


class StudyProgressed(Event):
    """A run has ended: `done` of `runs` have. eta_s: seconds left, None before it can be told."""

    kind = "study.progress"

    study: str
    done: int
    runs: int
    eta_s: float | None
