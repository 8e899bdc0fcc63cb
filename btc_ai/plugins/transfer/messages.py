"""The bodies of the `transfer.` commands and events; see `docs/messaging.md`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event
from btc_ai.names import TransferKind

Body = dict[str, Any]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PlanBody(_Command):
    """From where to where. Nothing is changed by asking.

    source: a bucket, whose latest model is meant, or a model's directory. features: what the target
    uses; None: as configured. kinds: None for those that KNOWLEDGE_TRANSFER switches on.
    """

    source: str
    target: str
    features: list[str] | None = None
    kinds: list[TransferKind] | None = None


class StartBody(_Command):
    """A transfer on request: trains `target` alone, from what `source` has learned."""

    source: str
    target: str
    kinds: list[TransferKind] | None = None
    episodes: int | None = Field(None, ge=1)


class ListBody(_Command):
    """How many transfers to list, newest first."""

    limit: int = Field(20, ge=1, le=500)


class ShowBody(_Command):
    """A transfer: its id, the beginning of one, or nothing for the newest."""

    transfer: str | None = None


class _Verdict(BaseModel):
    """How a transfer was measured.

    decision: `kept`, `rolled_back`, or None where it could not be measured, with the `reason`.
    difference: to the scratch twin, net bps a bar on validation, with its 95 % interval, at `share`
    of the budget.
    """

    transfer: str
    run: str
    position: int
    bucket: str
    decision: str | None
    reason: str | None
    difference: float | None
    low: float | None
    high: float | None
    share: float | None


class JudgedBody(_Verdict, _Command):
    """The training service says how a transfer was measured."""


class Judged(_Verdict, Event):
    """A transfer has been measured."""

    kind = "transfer.verdict"
