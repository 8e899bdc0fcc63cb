"""Fakes for tests of plugins: a Context whose bus, journal and workers are this process."""

import asyncio
import itertools
import shutil
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from btc_ai.api.discovery import covers
from btc_ai.api.journal import Job, Step
from btc_ai.api.messages import Event, Heard, Position
from btc_ai.api.service import Body, Call, Health, Service
from btc_ai.api.step import StepStoppedError, find_function
from btc_ai.config import Config
from btc_ai.errors import BtcAiError, PluginError

Answer = Callable[[Body], Body | Awaitable[Body]]

EPOCH = "test"


class FakeLogger:
    """Keeps what is logged: `kept` has (level, event, values)."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.kept: list[tuple[str, str, Body]] = []

    def debug(self, event: str, **values: Any) -> None:
        """Keep a record at DEBUG."""
        self.kept.append(("debug", event, values))

    def info(self, event: str, **values: Any) -> None:
        """Keep a record at INFO."""
        self.kept.append(("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        """Keep a record at WARNING."""
        self.kept.append(("warning", event, values))

    def error(self, event: str, **values: Any) -> None:
        """Keep a record at ERROR."""
        self.kept.append(("error", event, values))


class FakeJournal:
    """The journal, in memory."""

    def __init__(self) -> None:
        """No jobs."""
        self._jobs: dict[str, Job] = {}
        self._ids = itertools.count(1)

    def add(self, kind: str, spec: Body, steps: Sequence[tuple[str, Body]], parent_id: str) -> Job:
        """Write a new job in state `queued`, its steps `waiting`."""
        now, name = time.time(), f"job{next(self._ids)}"
        self._jobs[name] = Job(name, kind, "queued", spec, parent_id, now, now)
        for step, of in steps:
            self.add_step(name, step, of)
        return self.job(name)

    def add_step(self, job: str, name: str, spec: Body) -> Job:
        """Append a step to a job."""
        steps = self.job(job).steps
        made = Step(len(steps), name, "waiting", spec, {}, None, None)
        return self._put(job, steps=(*steps, made))

    def jobs(self, kind: str, limit: int = 100) -> list[Job]:
        """The newest jobs of a kind, newest first."""
        return [job for job in reversed(self._jobs.values()) if job.kind == kind][:limit]

    def job(self, job: str) -> Job:
        """One job, by its id. Raises BtcAiError where there is none."""
        if job not in self._jobs:
            raise BtcAiError(f"there is no job {job}")
        return self._jobs[job]

    def set_job(
        self, job: str, *, state: str | None = None, spec: Body | None = None,
        error: str | None = None,
    ) -> Job:  # fmt: skip
        """Change what is given; `error` is cleared where it is not."""
        old = self.job(job)
        return self._put(
            job, state=state or old.state, spec=old.spec if spec is None else spec, error=error
        )

    def set_step(self, job: str, position: int, *, state: str, result: Body | None = None) -> Job:
        """Change a step's state; the first `running` sets its start, `done` its end."""
        steps, now = list(self.job(job).steps), time.time()
        old = steps[position]
        steps[position] = replace(
            old, state=state, result=old.result if result is None else result,
            started=old.started or (now if state == "running" else None),
            ended=now if state == "done" else None,
        )  # fmt: skip
        return self._put(job, steps=tuple(steps))

    def _put(self, job: str, **changes: Any) -> Job:
        self._jobs[job] = replace(self.job(job), updated=time.time(), **changes)
        return self._jobs[job]


class FakeStep:
    """A StepContext that keeps what the step says."""

    def __init__(self, hear: Callable[[Body], None] = lambda body: None) -> None:
        """A step that has not been asked to stop; `hear` gets its progress."""
        self.log = FakeLogger()
        self._hear = hear
        self.stopping = False

    def progress(self, body: Body) -> None:
        """Hand a progress message on."""
        self._hear(body)

    def should_stop(self) -> bool:
        """Whether `stopping` was set."""
        return self.stopping


class FakeWorker:
    """A Worker whose steps run in a thread of this process."""

    def __init__(self) -> None:
        """Idle."""
        self._step = FakeStep()

    async def run(
        self, function: str, arguments: Body, on_progress: Callable[[Body], None]
    ) -> Body:
        """Run a step."""
        if self._step.stopping:
            raise StepStoppedError("stopped before it began")
        self._step = FakeStep(on_progress)
        result: Body = await asyncio.to_thread(find_function(function), arguments, self._step)
        return result

    async def stop(self) -> None:
        """Ask the step to stop."""
        self._step.stopping = True

    async def close(self) -> None:
        """Ask the step to stop."""
        self._step.stopping = True


class FakeContext:
    """A `btc_ai.api.service.Context` for tests.

    `published` keeps events, `answers` says what other services answer (kind → function of the
    body), and `hear` gives the service an event. As strict as the daemon: what a manifest would
    have to permit stands in `may_send` and `may_publish` (patterns such as `training.*`).
    """

    def __init__(
        self, name: str, *, settings: BaseModel | None = None, config: Config | None = None,
        may_send: Sequence[str] = (), may_publish: Sequence[str] = (),
        events: Sequence[type[Event]] | None = None,
    ) -> None:  # fmt: skip
        """A context for the plugin `name`.

        config: unless told, the defaults, with folders in a temporary one that goes with this
        context. events: what `btc_ai_messages` names, where that is to be checked too.
        """
        self.name, self.settings = name, settings
        self.config = config or self._defaults()
        self.config_file: Path | None = None
        self.log, self.journal = FakeLogger(), FakeJournal()
        self.published: list[Event] = []
        self.answers: dict[str, Answer] = {}
        self.sent: list[tuple[str, Body]] = []
        self._may_send = (f"{name}.*", *may_send)
        self._may_publish = (name, f"{name}.*", *may_publish)
        self._named = None if events is None else {event.kind for event in events}
        self._subscribers: list[asyncio.Queue[Heard]] = []
        self._heard: list[Heard] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._seq = itertools.count(1)

    def _defaults(self) -> Config:
        folder = tempfile.mkdtemp(prefix="btc-ai-plugin-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Config.model_validate({}, context={"base": Path(folder)})

    def read_config(self) -> Config:
        """The configuration."""
        return self.config

    def publish(self, event: Event, *, parent_id: str | None = None) -> None:
        """Keep an event."""
        if not covers(self._may_publish, event.kind):
            raise PluginError(f"{self.name} cannot publish {event.kind}: it is another's")
        if self._named is not None and event.kind not in self._named:
            raise PluginError(f"{self.name} cannot publish {event.kind}: btc_ai_messages lacks it")
        self.published.append(event)

    async def subscribe(self, *kinds: str, after: Position | None = None) -> AsyncIterator[Heard]:
        """The events that `hear` gives from now on, or those after a position first."""
        queue: asyncio.Queue[Heard] = asyncio.Queue()
        if after is not None:
            known = after.seq if after.epoch == EPOCH else {}
            for event in self._heard:
                if event.seq > known.get(event.source, 0):
                    queue.put_nowait(event)
        self._subscribers.append(queue)
        while True:
            event = await queue.get()
            if covers(kinds, event.kind):
                yield event

    async def hear(self, kind: str, body: Body, *, source: str = "") -> None:
        """Give every subscriber an event, and let the service get on with it."""
        source = source or kind.partition(".")[0]
        await settle()
        event = Heard(kind, body, source, None, next(self._seq), time.time(), epoch=EPOCH)
        self._heard.append(event)
        for queue in self._subscribers:
            queue.put_nowait(event)
        await settle()

    async def call(self, kind: str, body: Body) -> Body:
        """Answer as `answers` says."""
        if not covers(self._may_send, kind):
            raise PluginError(f"{self.name} cannot send {kind}: permissions.commands lacks it")
        self.sent.append((kind, body))
        if kind not in self.answers:
            raise BtcAiError(f"{kind} is not a command of this daemon")
        answer = self.answers[kind](body)
        return answer if isinstance(answer, dict) else await answer

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task; `close` ends it, and raises what it raised."""
        self._tasks.add(asyncio.create_task(work, name=name))

    def worker(
        self, name: str, limit_s: float = 14.0, on_health: Callable[[Health], None] | None = None
    ) -> FakeWorker:
        """A worker in this process."""
        return FakeWorker()

    async def close(self) -> None:
        """End the tasks. Raises what one of them raised."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def ask(service: Service, kind: str, body: Body | None = None) -> Body:
    """What a service answers to a command, its body checked as the daemon would."""
    command = next((one for one in service.commands() if one.kind == kind), None)
    if command is None:
        raise BtcAiError(f"{kind} is not a command of this service")
    checked = command.body.model_validate(body or {})
    async with asyncio.timeout(command.timeout):
        return await command.handler(checked, Call("test", "test"))


async def settle() -> None:
    """Let tasks that are ready get on."""
    for _ in range(20):
        await asyncio.sleep(0)
