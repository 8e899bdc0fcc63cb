"""The Context a bundled service gets: the daemon's parts, seen through the contract."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from btc_ai.api.discovery import known_features
from btc_ai.api.messages import Event, WorkerState
from btc_ai.api.service import Body, Call, Health, Logger, Worker
from btc_ai.bus.broker import Broker
from btc_ai.config import Config, load_config
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.journal import SqliteJournal
from btc_ai.daemon.logs import logger
from btc_ai.daemon.tasks import Tasks
from btc_ai.daemon.workers import ProcessWorker
from btc_ai.errors import PluginError


@dataclass(frozen=True)
class Parts:
    """What the daemon builds once and every context shares."""

    config: Config
    config_file: Path | None
    runtime: Path
    journal: SqliteJournal
    broker: Broker
    dispatcher: Dispatcher

    def announce(self, event: Event, *, source: str, parent_id: str | None = None) -> None:
        """Publish an event on the bus."""
        body = event.model_dump(mode="json")
        self.broker.publish(event.kind, body, source=source, parent_id=parent_id)


@dataclass
class LocalContext:
    """The `btc_ai.api.service.Context` of a service inside the daemon."""

    name: str
    parts: Parts
    log: Logger = field(init=False)
    tasks: Tasks = field(init=False)
    workers: list[ProcessWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the logger and the tasks."""
        self.log = logger(self.name)
        self.tasks = Tasks(self.log)

    @property
    def config(self) -> Config:
        """The configuration the daemon started with."""
        return self.parts.config

    @property
    def config_file(self) -> Path | None:
        """Where it was read from."""
        return self.parts.config_file

    @property
    def journal(self) -> SqliteJournal:
        """The job journal."""
        return self.parts.journal

    def read_config(self) -> Config:
        """The configuration as its file is now."""
        if self.parts.config_file is None:
            return self.parts.config
        return load_config(self.parts.config_file, features=known_features())

    def publish(self, event: Event, *, parent_id: str | None = None) -> None:
        """Publish an event under the plugin's own name."""
        if event.kind.partition(".")[0] != self.name:
            raise PluginError(f"{self.name} cannot publish {event.kind}: it is another's")
        self.parts.announce(event, source=self.name, parent_id=parent_id)

    async def call(self, kind: str, body: Body) -> Body:
        """Send another service a command."""
        call = Call(id=f"{self.name}:{kind}", source=self.name)
        return await self.parts.dispatcher.answer(kind, body, call)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a guarded task that ends with the service."""
        self.tasks.spawn(f"{self.name}: {name}", work)

    def worker(
        self, name: str, limit_s: float = 20.0, on_health: Callable[[Health], None] | None = None
    ) -> Worker:
        """A worker process of this service; news of it goes onto the bus too."""
        parts = self.parts

        def hear(health: Health) -> None:
            parts.announce(WorkerState(name=name, **asdict(health)), source="daemon")
            if on_health is not None:
                on_health(health)

        made = ProcessWorker(
            parts.broker, parts.runtime, logger(name), limit_s=limit_s, name=name,
            limits=parts.config.SUPERVISION, on_health=hear,
        )  # fmt: skip
        self.workers = [*(one for one in self.workers if not one.ended), made]
        return made

    async def close(self) -> None:
        """End what the service left running."""
        try:
            for worker in self.workers:
                await worker.close()
        finally:
            await self.tasks.cancel()
