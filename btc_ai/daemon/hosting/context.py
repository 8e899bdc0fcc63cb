"""The Context that a service gets: what it may touch, seen through the contract."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import zmq.asyncio
from pydantic import BaseModel

from btc_ai.api.discovery import Manifest, covers, known_names
from btc_ai.api.messages import Event, Heard, Position, WorkerState
from btc_ai.api.service import Body, Call, Health, Logger, Worker
from btc_ai.bus.broker import Broker
from btc_ai.bus.codec import Envelope
from btc_ai.bus.subscriber import kept_between, listen
from btc_ai.config import Config, load_config
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.logs import Logs
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import BtcAiError, PluginError
from btc_ai.journal import SqliteJournal
from btc_ai.logs.capture import logger
from btc_ai.paths import find_config
from btc_ai.redaction import redact_urls


@dataclass(frozen=True)
class Parts:
    """What the daemon builds once and every context shares."""

    config: Config
    config_file: Path | None
    runtime: Path
    journal: SqliteJournal
    broker: Broker
    dispatcher: Dispatcher
    logs: Logs

    def announce(self, event: Event, *, source: str, parent_id: str | None = None) -> None:
        """Publish an event on the bus."""
        body = event.model_dump(mode="json")
        self.broker.publish(event.kind, body, source=source, parent_id=parent_id)

    def read_config(self) -> Config:
        """The configuration as its file is now. Raises ConfigError."""
        file = find_config(self.config_file)
        return load_config(file, **known_names()) if file else self.config

    def worker(
        self, plugin: str, name: str, limit_s: float,
        on_health: Callable[[Health], None] | None,
    ) -> ProcessWorker:  # fmt: skip
        """A worker process of a plugin; news of it goes onto the bus too."""

        def hear(health: Health) -> None:
            self.announce(WorkerState(name=name, **asdict(health)), source="daemon")
            if on_health is not None:
                on_health(health)

        return ProcessWorker(
            self.broker, self.runtime, self.logs,
            logger(plugin).bind(plugin=plugin, worker=name),
            limit_s=limit_s, name=name, plugin=plugin, limits=self.config.SUPERVISION,
            on_health=hear,
        )  # fmt: skip


SEE_THE_HISTORY = ("monitoring", "dashboard")
"""Plugins that are bundled, whose names nobody can take, and need the database's password."""


def visible_to(name: str, config: Config) -> Config:
    """The configuration without what may be secret: others' settings, the history's password."""
    url = config.HISTORY_URL
    if url is not None and name not in SEE_THE_HISTORY:
        config = config.model_copy(update={"HISTORY_URL": redact_urls(url)})
    sections = {
        one: section if one == name else section.model_copy(update={"SETTINGS": {}})
        for one, section in config.PLUGINS.items()
    }
    return config.model_copy(update={"PLUGINS": sections})


@dataclass
class ServiceContext(ABC):
    """What a `btc_ai.api.service.Context` is alike in, wherever its service runs."""

    manifest: Manifest
    config: Config
    config_file: Path | None
    runtime: Path
    log: Logger
    settings: BaseModel | None = field(default=None, init=False)
    events: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        """Name the tasks; nothing runs yet."""
        self.tasks = Tasks(self.log)
        self._zmq: zmq.asyncio.Context | None = None

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name

    def read_config(self) -> Config:
        """The configuration as its file is now."""
        file = find_config(self.config_file)
        return visible_to(self.name, load_config(file, **known_names())) if file else self.config

    def publish(self, event: Event, *, parent_id: str | None = None) -> None:
        """Publish an event under the plugin's own name."""
        if event.kind not in self.events:
            raise PluginError(f"{self.name} publishes {event.kind}, which btc_ai_messages lacks")
        require_publish(self.manifest, event.kind)
        self._publish(event.kind, event.model_dump(mode="json"), parent_id)

    async def call(self, kind: str, body: Body) -> Body:
        """Send another service a command."""
        require_send(self.manifest, kind)
        return await self._call(kind, body)

    async def subscribe(self, *kinds: str, after: Position | None = None) -> AsyncIterator[Heard]:
        """The events of these kinds from now on, or those after a position first."""
        self._zmq = self._zmq or zmq.asyncio.Context()
        async for event, lost, epoch in listen(self._zmq, self.runtime, self._missed, after):
            if covers(kinds, event.kind):
                yield Heard(
                    event.kind, event.body, event.source, event.parent_id, event.seq, event.time,
                    lost, epoch,
                )  # fmt: skip

    async def _missed(self, source: str, after: int, before: int | None) -> AsyncIterator[Envelope]:
        """What the broker's history holds; what cannot be asked of it is lost, and logged."""
        try:
            async for event in kept_between(self._call, source, after, before):
                yield event
        except BtcAiError as error:
            self.log.warning("events are lost", source=source, after=after, error=str(error))

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a guarded task that ends with the service."""
        self.tasks.spawn(f"{self.name}: {name}", work)

    @abstractmethod
    def worker(
        self, name: str, limit_s: float = 14.0, on_health: Callable[[Health], None] | None = None
    ) -> Worker:
        """A worker process of this service."""

    @abstractmethod
    def _publish(self, kind: str, body: Body, parent_id: str | None) -> None: ...

    @abstractmethod
    async def _call(self, kind: str, body: Body) -> Body: ...

    async def close(self) -> None:
        """End what the service left running."""
        await self.tasks.cancel()
        if self._zmq is not None:
            self._zmq.destroy(linger=0)
            self._zmq = None


def require_publish(manifest: Manifest, kind: str) -> None:
    """Raise PluginError for an event that a plugin may not publish."""
    if not manifest.may_publish(kind):
        raise PluginError(
            f"{manifest.name} cannot publish {kind}: it is another's, and "
            "permissions.events of its manifest lacks it"
        )


def require_send(manifest: Manifest, kind: str) -> None:
    """Raise PluginError for a command that a plugin may not send."""
    if not manifest.may_send(kind):
        raise PluginError(
            f"{manifest.name} cannot send {kind}: permissions.commands of its manifest lacks it"
        )


class LocalContext(ServiceContext):
    """The Context of a service inside the daemon."""

    def __init__(self, manifest: Manifest, parts: Parts) -> None:
        """Over the daemon's parts."""
        config = visible_to(manifest.name, parts.config)
        log = logger(manifest.name).bind(plugin=manifest.name)
        super().__init__(manifest, config, parts.config_file, parts.runtime, log)
        self._parts = parts
        self.workers: list[ProcessWorker] = []

    @property
    def journal(self) -> SqliteJournal:
        """The job journal."""
        return self._parts.journal

    def worker(
        self, name: str, limit_s: float = 14.0, on_health: Callable[[Health], None] | None = None
    ) -> Worker:
        """A worker process of this service."""
        made = self._parts.worker(self.name, name, limit_s, on_health)
        self.workers = [*(one for one in self.workers if not one.ended), made]
        return made

    def _publish(self, kind: str, body: Body, parent_id: str | None) -> None:
        self._parts.broker.publish(kind, body, source=self.name, parent_id=parent_id)

    async def _call(self, kind: str, body: Body) -> Body:
        call = Call(id=f"{self.name}:{kind}", source=self.name, who=f"plugin {self.name}")
        return await self._parts.dispatcher.answer(kind, body, call)

    async def close(self) -> None:
        """End its workers and what else it left running."""
        try:
            await asyncio.gather(*(worker.close() for worker in self.workers))
        finally:
            await super().close()
