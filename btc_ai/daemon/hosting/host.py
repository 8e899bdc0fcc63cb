"""The plugin host: loads plugins, starts and stops their services; a failure is a status."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from btc_ai.api.discovery import Found, discover
from btc_ai.api.messages import PluginState
from btc_ai.api.service import Command
from btc_ai.config import Config, PluginSection
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.hosting.context import LocalContext, Parts, visible_to
from btc_ai.daemon.hosting.loading import Loaded, load
from btc_ai.daemon.hosting.process import PluginProcess
from btc_ai.daemon.hosting.record import FAULTY, SETTLED, UNUSABLE, Record
from btc_ai.daemon.hosting.sinks import feed
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import PluginError, UsageError
from btc_ai.logs.capture import logger
from btc_ai.redaction import secrets_of

START_LIMIT_S = 10.0
STOP_LIMIT_S = 22.0
"""More than a worker that hangs costs (14 s, then 5 s), less than a supervisor waits (30 s)."""
PROCESS_STOP_LIMIT_S = 20.0
"""Less than a supervisor gives the daemon: a plugin that hangs must not cost the others."""


class PluginHost:
    """Every plugin that was found, and its state."""

    def __init__(
        self, parts: Parts, *, start_limit_s: float = START_LIMIT_S,
        stop_limit_s: float = STOP_LIMIT_S,
    ) -> None:  # fmt: skip
        """No plugins yet."""
        self._parts = parts
        self._start_limit_s, self._stop_limit_s = start_limit_s, stop_limit_s
        self._log = logger("host")
        self._tasks = Tasks(self._log)
        self._stopping = False
        self.records: list[Record] = []

    @property
    def workers(self) -> list[ProcessWorker]:
        """The worker processes of every service."""
        own = [one.context.workers for one in self.records if one.context is not None]
        lent = [one.process.workers for one in self.records if one.process is not None]
        return [worker for some in own + lent for worker in some if not worker.ended]

    async def start(self) -> None:
        """Load every plugin and start the services in order; what fails is recorded.

        Those in processes of their own start meanwhile: a command of theirs waits for them.
        """
        self.records = [Record(found) for found in discover()]
        for record in self.records:
            self._load(record, self._parts.config)
        for record in self.records:
            await self._start(record)

    def record(self, name: str) -> Record:
        """What became of a plugin. Raises UsageError where there is none of that name."""
        for record in self.records:
            if record.name == name:
                return record
        known = ", ".join(one.name for one in self.records)
        raise UsageError(f"there is no plugin {name!r}; installed are {known}")

    async def enable(self, name: str) -> Record:
        """Start a plugin, anew where it failed; one that runs goes on as it is."""
        importlib.invalidate_caches()
        found = {one.name: one for one in discover()}
        if name in found and all(one.name != name for one in self.records):
            self.records.append(Record(found[name], state="disabled"))
        record = self.record(name)
        async with self._steering(record):
            if record.state not in ("ready", "idle", "stalled", "starting", "restarting"):
                record.found = found.get(name, record.found)
                await self._anew(record, self._parts.read_config())
        while not record.there.is_set():  # another start may come in between
            await record.there.wait()
        return record

    async def disable(self, name: str) -> Record:
        """Stop a plugin; its commands are known no more."""
        record = self.record(name)
        async with self._steering(record):
            await self._stop(record)
            record.section = record.section.model_copy(update={"ENABLED": False})
            self._set(record, "disabled", "")
        return record

    def apply(self, config: Config) -> None:
        """Start anew each plugin of which the configuration says something else now."""
        for record in self.records:
            if config.plugin(record.name) != record.section:
                self._tasks.spawn(f"apply {record.name}", self._apply(record, config))

    async def _apply(self, record: Record, config: Config) -> None:
        async with self._steering(record):
            await self._anew(record, config)

    @asynccontextmanager
    async def _steering(self, record: Record) -> AsyncIterator[None]:
        """One at a time stops or starts a plugin. Raises PluginError once the daemon stops."""
        async with record.lock:
            if self._stopping:
                raise PluginError("the daemon is stopping")
            yield

    async def _anew(self, record: Record, config: Config) -> None:
        await self._stop(record)
        self._load(record, config)
        await self._start(record)

    def _load(self, record: Record, config: Config) -> None:
        found, name = record.found, record.name
        self._offer(record, ())
        record.there.set()  # whoever waited for what it was before
        record.there = asyncio.Event()
        self._parts.dispatcher.expect(name, record.there, record.why_not)
        record.state, record.detail = "starting", ""
        record.context, record.loaded, record.process = None, None, None
        section = record.section = config.plugin(name)
        self._parts.logs.hide(secrets_of(section.SETTINGS))
        if found.problem or found.manifest is None:
            self._set(record, "refused", found.problem or "")
        elif not section.ENABLED:
            self._set(record, "disabled", "")
        elif not found.manifest.service:
            self._set(record, "idle", "")
        elif (section.ISOLATION or _usual_isolation(found)) == "process":
            record.process = self._process(record, config)
        else:
            self._load_here(record, LocalContext(found.manifest, self._parts), section)

    def _process(self, record: Record, config: Config) -> PluginProcess:
        """A process that sees what the daemon started with, and its own section as it is now."""
        seen = self._parts.config.model_copy(update={"PLUGINS": config.PLUGINS})

        def changed(state: str, detail: str) -> None:
            if state == "ready" and record.process is not None:
                self._offer(record, record.process.commands)
            self._set(record, state, detail)

        return PluginProcess(
            record.found, visible_to(record.name, seen), self._parts, changed,
            start_limit_s=self._start_limit_s,
            stop_limit_s=min(self._stop_limit_s, PROCESS_STOP_LIMIT_S),
        )  # fmt: skip

    def _load_here(self, record: Record, context: LocalContext, section: PluginSection) -> None:
        try:
            record.loaded = load(record.found, context, section.SETTINGS)
            record.context = context
            self._offer(record, record.loaded.commands)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
            self._log.error("plugin cannot be loaded", plugin=record.name, exc_info=True)
            record.loaded = None
            self._set(record, "broken", f"{type(error).__name__}: {error}")

    def _offer(self, record: Record, commands: Iterable[Command]) -> None:
        """Put these commands of a plugin into the table, in place of those it has there."""
        self._parts.dispatcher.remove(record.commands)
        record.commands = ()
        self._parts.dispatcher.add(made := tuple(commands))
        record.commands = made

    async def _start(self, record: Record) -> None:
        if record.process is not None:
            record.process.begin()
        elif record.loaded is not None:
            await self._start_here(record, record.loaded)

    async def _start_here(self, record: Record, loaded: Loaded) -> None:
        assert record.context is not None
        if not loaded.runs:
            self._set(record, "idle", "")
            return
        try:
            started = loaded.service is None or await within(
                self._start_limit_s, loaded.service.start
            )
        except Exception as error:  # noqa: BLE001  # a fence: plugin start
            self._log.error("plugin cannot be started", plugin=record.name, exc_info=True)
            await self._give_up(record, f"{type(error).__name__}: {error}")
            return
        if not started:
            await self._give_up(record, f"not ready within {self._start_limit_s:g} s")
            return
        if loaded.sinks:
            record.context.spawn("metrics", feed(record.context, loaded.sinks))
        self._set(record, "ready", "")

    async def _give_up(self, record: Record, detail: str) -> None:
        self._set(record, "broken", detail)
        await self._close(record)

    def _set(self, record: Record, state: str, detail: str) -> None:
        """Write down a state, tell of it, and let commands wait, or wait no more."""
        record.state, record.detail = state, detail
        if state in UNUSABLE:
            self._offer(record, ())
        if state in SETTLED:
            record.there.set()
        level = self._log.error if state in FAULTY else self._log.info
        level("plugin", plugin=record.name, state=state, detail=detail)
        event = PluginState(name=record.name, state=state, detail=detail[:1000])
        self._parts.announce(event, source="daemon")

    async def stop(self) -> None:
        """Stop the services side by side, begun in reverse order, each within its limit."""
        self._stopping = True
        await self._tasks.cancel()
        await asyncio.gather(*map(self._stop_for_good, reversed(self.records)))

    async def _stop_for_good(self, record: Record) -> None:
        async with record.lock:
            await self._stop(record)

    async def _stop(self, record: Record) -> None:
        if record.process is not None:
            if record.state != "stopped":
                await record.process.stop()
                record.state = "stopped"
        elif record.loaded is not None and record.state in ("ready", "idle"):
            await self._stop_here(record, record.loaded)
            record.state = "stopped"

    async def _stop_here(self, record: Record, loaded: Loaded) -> None:
        try:
            if loaded.service is not None and not await within(
                self._stop_limit_s, loaded.service.stop
            ):
                self._log.error("plugin does not stop in time", plugin=record.name)
        except Exception:  # noqa: BLE001  # a fence: the others must stop too
            self._log.error("plugin does not stop", plugin=record.name, exc_info=True)
        await self._close(record)

    async def _close(self, record: Record) -> None:
        """End what the service left running."""
        assert record.context is not None
        try:
            await record.context.close()
        except Exception:  # noqa: BLE001  # a fence: the others must go on
            self._log.error("plugin leaves something behind", plugin=record.name, exc_info=True)


def _usual_isolation(found: Found) -> str:
    wants = found.manifest.isolation if found.manifest else None
    return wants or ("daemon" if found.bundled else "process")


async def within(limit: float, work: Callable[[], Awaitable[Any]]) -> bool:
    """Do `work`; False where it does not end in time, not even when it is told to."""

    async def guarded() -> None:
        try:
            await work()
        except SystemExit as error:
            raise PluginError(f"called sys.exit({error})") from error

    task = asyncio.create_task(guarded())
    done, _ = await asyncio.wait({task}, timeout=limit)
    if done:
        if not task.cancelled():
            task.result()
            return True
        raise PluginError("was cancelled from within")
    task.cancel()
    await asyncio.wait({task}, timeout=0.1)
    return False
