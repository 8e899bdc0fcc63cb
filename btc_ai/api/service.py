"""Service and Context: what a plugin offers and all it may touch."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from btc_ai.api.journal import Journal
from btc_ai.api.messages import Event, Heard, Position
from btc_ai.config import Config

Body = dict[str, Any]


Role = Literal["viewer", "operator"]
"""Who may send a command: a viewer reads and watches, an operator may do everything."""


@dataclass(frozen=True)
class Call:
    """The command being answered. `who` sent it, in words for the audit."""

    id: str
    source: str
    role: Role = "operator"
    who: str = "local"


@dataclass(frozen=True)
class Command:
    """One command a service answers: a row of the dispatch table.

    `handler` gets the checked body and returns the result's body; it raises a `BtcAiError` for what
    a user can mend. It answers within `timeout` seconds. `role` is the least that may send it;
    `operator` is for whatever changes something.
    """

    kind: str
    body: type[BaseModel]
    handler: Callable[[Any, Call], Awaitable[Body]]
    timeout: float = 10.0
    role: Role = "operator"


class Service(Protocol):
    """What a plugin runs. It talks through its Context alone, so it need not know where it runs."""

    def commands(self) -> Sequence[Command]:
        """The commands it answers, asked for once, before `start`."""

    async def start(self) -> None:
        """Begin; return when ready."""

    async def stop(self) -> None:
        """Bring everything to rest and release it."""

    def status(self) -> Body:
        """A few words for `btc-ai daemon status`."""


@dataclass(frozen=True)
class Health:
    """News of a worker process.

    State: `stalled` (it has a step and has been silent for `silent_s` seconds), `running` (it
    speaks again), `restarting` (it died of `cause`), or `failed` (and too often).
    """

    state: Literal["running", "stalled", "restarting", "failed"]
    silent_s: float = 0.0
    cause: str | None = None


class Worker(Protocol):
    """A process that runs steps one after the other, and is restarted when it dies."""

    async def run(
        self, function: str, arguments: Body, on_progress: Callable[[Body], None]
    ) -> Body:
        """Run `package.module:function` with `arguments` and return its result.

        Where the process dies, or is silent for SUPERVISION.KILL_STALLED_AFTER, it is restarted and
        the step run again, with exponential backoff. To cancel this ends the process: the next step
        has another.
        Raises StepStoppedError after `stop`, WorkerFailedError after 5 deaths in 60 s, and the
        step's own error otherwise.
        """

    async def stop(self) -> None:
        """Ask the step to stop at a checkpoint; then SIGTERM, then SIGKILL, each after a wait."""

    async def close(self) -> None:
        """End the process."""


class Logger(Protocol):
    """A structlog logger: an event and key-value pairs."""

    def debug(self, event: str, **values: Any) -> Any:
        """Log at DEBUG."""

    def info(self, event: str, **values: Any) -> Any:
        """Log at INFO."""

    def warning(self, event: str, **values: Any) -> Any:
        """Log at WARNING."""

    def error(self, event: str, **values: Any) -> Any:
        """Log at ERROR."""


class Context(Protocol):
    """All that a service may touch."""

    @property
    def log(self) -> Logger:
        """A logger that names the plugin."""

    @property
    def config(self) -> Config:
        """The configuration the daemon started with."""

    @property
    def config_file(self) -> Path | None:
        """Where it was read from; None: the documented defaults."""

    @property
    def settings(self) -> Any:
        """The plugin's own settings, as the model of its `btc_ai_settings`; None: it has none."""

    @property
    def journal(self) -> Journal:
        """Jobs that survive the daemon."""

    def read_config(self) -> Config:
        """The configuration as its file is now. Raises ConfigError."""

    def publish(self, event: Event, *, parent_id: str | None = None) -> None:
        """Publish an event that `btc_ai_messages` names.

        Its kind is the plugin's name, or begins with it and a dot, or is among the manifest's
        `permissions.events`. Raises PluginError otherwise.
        """

    def subscribe(self, *kinds: str, after: Position | None = None) -> AsyncIterator[Heard]:
        """The events of these kinds, for ever; `training.*`: all that begin so, `*`: all.

        From now on, or first all that have come after a position, as far as the daemon's history
        goes back; after a restart of the daemon, all since its start.
        """

    async def call(self, kind: str, body: Body) -> Body:
        """Send a command to another service and return its result.

        Raises BtcAiError; PluginError where the manifest's `permissions.commands` lack it.
        """

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a named task; its failure is logged and it ends with the service."""

    def worker(
        self, name: str, limit_s: float = 14.0, on_health: Callable[[Health], None] | None = None
    ) -> Worker:
        """A worker process; it starts with its first step. Asked to stop, it has `limit_s`.

        `on_health` hears when it stalls, speaks again, dies, and dies too often.
        """
