"""The bodies of the `training.` commands and events; see `docs/messaging.md`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event
from btc_ai.names import TransferKind

Body = dict[str, Any]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SourceBody(_Command):
    """A model's directory to carry knowledge over from; kinds: None for the configured ones."""

    model: str
    kinds: list[TransferKind] | None = None


class StartBody(_Command):
    """What to train. What is left out comes from the configuration.

    source: what `bucket`, trained alone, begins with.
    """

    sequence: list[str] | None = Field(None, min_length=1)
    bucket: str | None = None
    episodes: int | None = Field(None, ge=1)
    resume: bool = False
    transfer: bool = True
    learner: str | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    symbol: str | None = None
    interval: str | None = None
    market: str | None = None
    source: SourceBody | None = None


class RunsBody(_Command):
    """How many runs to list."""

    limit: int = Field(20, ge=1, le=500)


class RunBody(_Command):
    """A run: its id, the beginning of one, or nothing for the newest."""

    run: str | None = None


class HistoryBody(RunBody):
    """The metrics of one step after an episode; at most `limit` rows."""

    position: int = Field(ge=0)
    after: int = Field(0, ge=0)
    limit: int = Field(1000, ge=1, le=2000)


class StepView(BaseModel):
    """One bucket of a run.

    `metrics`: those of the newest episode. `transfer`: the plan of the transfer service, and the
    `report` of what came of it; None where nothing was to be handed on. `verdict`: whether it was
    kept, None where it was not measured, or not yet; `rolled_back`: why it will not be, in words.
    `memory`: what was done when memory ran short, notes as in `MemoryChanged`; `degraded`: it
    changed what is learned. `outcome`: validation, evaluation and hash of the finished model.
    `restarts`: deaths of its workers by cause, as in `docs/supervision.md`. `stalled_since`: when a
    worker that says nothing was last heard, seconds since 1970; None where none is stalled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    position: int
    bucket: str
    state: str
    learner: str
    episodes: int
    episode: int
    metrics: Body
    started: float | None
    ended: float | None
    continued_from: str | None
    transfer: Body | None
    verdict: Body | None
    rolled_back: str | None
    directory: str | None
    memory: list[Body]
    degraded: bool
    outcome: Body | None
    restarts: dict[str, int] = {}
    stalled_since: float | None = None


class RunView(Event):
    """One run without its history; published on each change of state. Times: seconds since 1970.

    `wanted`: what a running run is being brought to at its next checkpoint, `stopped` or `paused`.
    """

    kind = "training.run"

    run: str
    state: str
    wanted: str | None = None
    error: str | None
    created: float
    updated: float
    symbol: str
    interval: str
    synthetic: bool
    seed: int
    transfer: bool
    steps: list[StepView]


class _OfStep(BaseModel):
    """What concerns one bucket of a run."""

    run: str
    position: int
    bucket: str


class EpisodeEnded(_OfStep, Event):
    """The end of an episode. `eta_s`: seconds left for the bucket.

    arm: `scratch` once the twin from scratch has taken the transferred run's place.
    """

    kind = "training.progress"

    arm: Literal["main", "scratch"] = "main"
    episode: int
    metrics: Body
    eta_s: float


class TwinEpisodeEnded(_OfStep, Event):
    """The end of an episode of the twin from scratch that measures a transfer."""

    kind = "training.twin"

    episode: int
    metrics: Body
    eta_s: float


class Diverged(_OfStep, Event):
    """The loss is no finite number any more, which has ended the training of this arm.

    text: in which episode, and what to do.
    """

    kind = "training.diverged"

    arm: Literal["main", "scratch"] = "main"
    text: str


class MemoryChanged(_OfStep, Event):
    """Memory runs short. `what`: `rung` (one of the seven was taken), `warning`, `limit`, `no_gpu`.

    `passed`: rungs passed over, and why. `before`, `after`: `total_mb`, `free_mb`, `own_mb`,
    `others_mb`, `utilisation`, of the `backend` (`GPU` or `host`). See `docs/memory.md`.
    """

    kind = "training.memory"

    what: str
    text: str
    backend: str
    phase: str
    episode: int
    rung: int | None
    reason: str
    passed: dict[str, str]
    degraded: bool
    before: Body | None
    after: Body | None
