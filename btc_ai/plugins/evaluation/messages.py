"""The bodies of the `evaluation.` commands and events; see `docs/messaging.md`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event

Body = dict[str, Any]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _OnCandles(_Command):
    """Which bucket (all of SEQUENCE where none is named) on which candles (the configuration's)."""

    bucket: str | None = None
    symbol: str | None = None
    interval: str | None = None
    market: str | None = None


class EvaluateBody(_OnCandles):
    """A date range (ISO 8601, UTC) for the latest models, or a number of walk-forward folds."""

    start: str | None = None
    end: str | None = None
    folds: int | None = Field(None, ge=2, le=50)
    episodes: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=0, lt=2**63)


class AuditBody(_OnCandles):
    """What to look for leaks in."""


class PipelineBody(_Command):
    """How long and how often to train on each known market; `markets`: all where none is named."""

    episodes: int = Field(20, ge=1)
    sequence: list[str] | None = Field(None, min_length=1)
    seeds: int = Field(5, ge=2, le=50)
    markets: list[str] | None = Field(None, min_length=1)


class JobBody(_Command):
    """A job: its id, the beginning of one, or nothing for the newest."""

    job: str | None = None


class ResultBody(JobBody):
    """One part of a job."""

    position: int = Field(ge=0)


class Part(BaseModel):
    """One step of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    position: int
    name: str
    state: str


class JobView(Event):
    """A job without its results; published on each change of state. Times: seconds since 1970."""

    kind = "evaluation.job"

    job: str
    task: str
    state: str
    error: str | None
    created: float
    updated: float
    parts: list[Part]


class PartProgress(Event):
    """How far a step is: `share` of it in 0–1, and what it is doing."""

    kind = "evaluation.progress"

    job: str
    position: int
    name: str
    share: float
    text: str
