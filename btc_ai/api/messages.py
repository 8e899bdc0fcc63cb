"""Events are typed: an event is a pydantic model that names its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """The body of an event; a subclass sets `kind`: its plugin's name, or that and more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClassVar[str]


class DaemonState(Event):
    """The daemon is `ready`, or `stopping`."""

    kind = "daemon.state"

    state: str


class PluginState(Event):
    """What became of a plugin at start-up; the states are those of `docs/plugins.md`."""

    kind = "plugin.state"

    name: str
    state: str
    detail: str = ""


class WorkerState(Event):
    """News of a worker process, by its name; the rest as in `btc_ai.api.service.Health`."""

    kind = "daemon.worker"

    name: str
    state: str
    silent_s: float = 0.0
    cause: str | None = None


class LogState(Event):
    """The log files cannot be written, for this reason; empty: they can again."""

    kind = "daemon.logs"

    trouble: str


@dataclass(frozen=True)
class Heard:
    """An event as a subscriber gets it; what `body` holds is said in `docs/messaging.md`.

    seq: counts the source's events since the daemon's start, which `epoch` names. lost: how many of
    that source came before it and are gone for good, because the subscriber was slower than the
    history is long.
    """

    kind: str
    body: dict[str, Any]
    source: str
    parent_id: str | None
    seq: int
    time: float
    lost: int = 0
    epoch: str = ""


@dataclass(frozen=True)
class Position:
    """How far a subscriber has come: the number of its last event of each source, in one epoch."""

    epoch: str
    seq: Mapping[str, int]
