"""The daemon's side of a worker process: start, steps, stop, and restart when it dies."""

import asyncio
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from structlog.contextvars import get_contextvars

from btc_ai.api.service import Body, Health, Logger
from btc_ai.api.step import StepStoppedError, WorkerFailedError
from btc_ai.bus.broker import Broker
from btc_ai.bus.codec import Envelope
from btc_ai.bus.worker import TOKEN_VARIABLE
from btc_ai.config import Supervision
from btc_ai.daemon.children.deaths import FIRST_DELAY_S, OomWatch, Tally, cause_of
from btc_ai.daemon.children.orphans import MARK_VARIABLE, end_descendants, new_mark
from btc_ai.daemon.children.pipes import LogPipes
from btc_ai.daemon.children.silence import SilenceWatch
from btc_ai.daemon.children.worker import ALIVE_VARIABLE, MEMORY_VARIABLE, PARENT_VARIABLE
from btc_ai.daemon.logs import Logs
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import BtcAiError
from btc_ai.execution.signals import send_signal

START_LIMIT_S = 120.0
TERM_LIMIT_S = 5.0
ALIVE_EVERY_S = 5.0


class _DiedError(Exception):
    """The process ended while something was expected of it."""


class StepError(BtcAiError):
    """What a step raised, with its code."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # each error has its own


class ProcessWorker:
    """A worker process and its restarts; the `Worker` of `btc_ai.api.service`."""

    def __init__(
        self, broker: Broker, runtime: Path, logs: Logs, log: Logger, *, limit_s: float,
        name: str = "worker", plugin: str = "worker", limits: Supervision | None = None,
        on_health: Callable[[Health], None] = lambda health: None,
        start_limit_s: float = START_LIMIT_S, term_limit_s: float = TERM_LIMIT_S,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:  # fmt: skip
        """A worker that starts with its first step; asked to stop, a step has `limit_s`.

        `log` is of the daemon's side; what the process logs goes to `logs`, as the `plugin`'s.
        `on_health` hears when it stalls, speaks again, dies, and dies too often.
        """
        self.name, self._plugin, self._logs = name, plugin, logs
        self._broker, self._runtime, self._log, self._limit_s = broker, runtime, log, limit_s
        self._limits, self._on_health = limits or Supervision(), on_health
        self._start_limit_s, self._term_limit_s = start_limit_s, term_limit_s
        self._first_delay_s = first_delay_s
        self._process: asyncio.subprocess.Process | None = None
        self._token = b""
        self._life: asyncio.Task[None] | None = None
        self._killed_for: str | None = None
        self._outcome: asyncio.Future[Envelope] | None = None
        self._on_progress: Callable[[Body], None] = lambda body: None
        self._tally = Tally(first_delay_s)
        self._deaths: Counter[str] = Counter()
        self._oom = OomWatch()
        self._silence = SilenceWatch(
            self._limits, self._spoke_or_not, self._kill, look=self._oom.look
        )
        self._state = "idle"
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        self._telling = Tasks(log)
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pid(self) -> int | None:
        """The process id, while one is alive."""
        return self._process.pid if self._process else None

    @property
    def ended(self) -> bool:
        """Whether it has been stopped, and nothing of it is left."""
        return self._stopping.is_set() and self._idle.is_set() and self._is_dead()

    def as_body(self) -> Body:
        """For `daemon.status`. `deaths`: how many, by cause, since the worker was made."""
        stalled = self._state == "running" and self._silence.stalled
        return {
            "name": self.name,
            "pid": self.pid,
            "state": "stalled" if stalled else self._state,
            "silent_s": round(self._silence.silent_s, 1) if self._state == "running" else 0.0,
            "deaths": dict(self._deaths),
        }

    async def run(
        self, function: str, arguments: Body, on_progress: Callable[[Body], None]
    ) -> Body:
        """Run one step; see `btc_ai.api.service.Worker`."""
        async with self._turn:
            self._on_progress = on_progress
            self._tally = Tally(self._first_delay_s)
            self._idle.clear()
            try:
                bound = get_contextvars()
                return await self._insist(
                    {"function": function, "arguments": arguments, "bound": bound}
                )
            except asyncio.CancelledError:
                self._kill("nobody waits for its answer")  # which the next step would get
                raise
            finally:
                self._state = "idle"
                self._idle.set()

    async def _insist(self, step: Body) -> Body:
        while True:
            try:
                return await self._attempt(step)
            except _DiedError as death:
                await self._after_death(str(death))

    async def _after_death(self, cause: str) -> None:
        if self._stopping.is_set():
            raise StepStoppedError("stopped; it goes on from its last checkpoint")
        self._deaths[cause] += 1
        try:
            delay = self._tally.record(cause)
        except WorkerFailedError:
            self._tell(Health("failed", cause=cause))
            raise
        self._state = "restarting"
        self._log.warning("worker died; restarting it", cause=cause, delay_s=delay)
        self._tell(Health("restarting", cause=cause))
        try:
            await asyncio.wait_for(self._stopping.wait(), delay)
        except TimeoutError:
            return
        raise StepStoppedError("stopped; it goes on from its last checkpoint")

    async def _attempt(self, step: Body) -> Body:
        if self._killed_for and self._life is not None:
            await asyncio.wait({self._life})
        if self._is_dead() and not self._stopping.is_set():
            await self._start()
        if self._stopping.is_set():
            raise StepStoppedError("stopped before it began")
        outcome = await self._exchange("worker.step", step)
        if outcome.kind == "worker.result":
            return outcome.body
        if outcome.kind == "worker.stopped":
            raise StepStoppedError("stopped at a checkpoint")
        raise StepError(str(outcome.body["code"]), str(outcome.body["message"]))

    async def _start(self) -> None:
        self._state, self._killed_for = "starting", None
        self._token = secrets.token_bytes(16)
        self._outcome = asyncio.get_running_loop().create_future()
        # A task of its own: whoever asked for the process may be cancelled while it is made.
        self._life = asyncio.create_task(self._live(), name=f"worker {self.name}")
        try:
            await asyncio.wait_for(self._outcome, self._start_limit_s)
        except TimeoutError:
            self._kill(reason := f"not ready within {self._start_limit_s:g} s")
            await asyncio.wait({self._life})
            raise _DiedError(reason) from None

    async def _live(self) -> None:
        """One life of the process: from its start until nothing of it is left."""
        token = self._token
        self._broker.attach_worker(token, self._hear)
        self._oom.begin()
        try:
            cause = await self._until_dead()
        except OSError as error:
            cause = f"cannot be started ({error.strerror})"
        finally:
            self._broker.detach_worker(token)
            self._process = None
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(_DiedError(cause))

    async def _until_dead(self) -> str:
        """Start the process and wait for its end; what it died of."""
        mark = new_mark()
        async with LogPipes(
            self._logs, self._log, self._plugin, set_level=self._set_level,
            plugin=self._plugin, worker=self.name,
        ) as pipe:  # fmt: skip
            self._process = process = await self._spawn(pipe, mark)
            pipe.close_writing()
            self._log.info("worker started", pid=process.pid)
            if self._stopping.is_set() or self._killed_for:
                send_signal(process, signal.SIGKILL)  # it was given up while it was being made
            returncode = await process.wait()
            await asyncio.to_thread(end_descendants, process.pid, mark)
        return cause_of(
            returncode, ours=self._killed_for, oom=self._oom,
            memory_mb=self._limits.WORKER_MEMORY_MB, last_words=pipe.last_words,
        )  # fmt: skip

    def _set_level(self, level: int) -> None:
        telling = self._broker.send_worker(self._token, "worker.level", {"level": level})
        self._telling.spawn("level", telling)

    async def _spawn(self, pipe: LogPipes, mark: str) -> asyncio.subprocess.Process:
        limit = self._limits.WORKER_MEMORY_MB
        environment = os.environ | {
            TOKEN_VARIABLE: self._token.hex(),
            PARENT_VARIABLE: str(os.getpid()),
            MARK_VARIABLE: mark,
            ALIVE_VARIABLE: f"{min(ALIVE_EVERY_S, self._limits.STALLED_AFTER / 4)}",
            **({MEMORY_VARIABLE: str(limit)} if limit else {}),
            **pipe.environment,
            "BTC_AI_RUNTIME_DIR": str(self._runtime),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "btc_ai.daemon.children.worker",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe.stderr,
            stderr=pipe.stderr,
            pass_fds=pipe.descriptors,
            env=environment,
            start_new_session=True,
        )  # fmt: skip

    async def _exchange(self, kind: str, body: Body) -> Envelope:
        self._state = "running"
        self._outcome = asyncio.get_running_loop().create_future()
        if self._process is None:
            raise _DiedError("ended between steps")
        watch = asyncio.create_task(self._silence.watch(), name=f"worker {self.name} silence")
        try:
            await self._broker.send_worker(self._token, kind, body)
            return await self._outcome
        finally:
            watch.cancel()
            self._outcome.cancel()
            self._silence.reset()

    def _hear(self, message: Envelope) -> None:
        self._silence.heard()
        if message.kind == "worker.progress":
            try:
                self._tally.progressed()
                self._on_progress(message.body)
            except Exception:  # noqa: BLE001  # a fence: a listener must not end the broker
                self._log.error("progress could not be taken", exc_info=True)
        elif message.kind == "worker.alive":
            pass
        elif self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(message)

    def _spoke_or_not(self) -> None:
        if self._silence.stalled:
            silent = round(self._silence.silent_s, 1)
            self._log.warning("worker is stalled", pid=self.pid, silent_s=silent)
            self._tell(Health("stalled", silent_s=silent))
        else:
            self._log.info("worker is stalled no more", pid=self.pid)
            self._tell(Health("running"))

    def _tell(self, health: Health) -> None:
        try:
            self._on_health(health)
        except Exception:  # noqa: BLE001  # a fence: a listener must not end the supervision
            self._log.error("a worker's health could not be taken", exc_info=True)

    def _is_dead(self) -> bool:
        return self._life is None or self._life.done()

    def _kill(self, reason: str) -> None:
        self._killed_for = reason
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            send_signal(self._process, number)

    async def stop(self) -> None:
        """Ask for a checkpoint and an end; then SIGTERM, then SIGKILL, each after a wait."""
        self._stopping.set()
        if self._process is not None and not self._idle.is_set():
            await self._broker.send_worker(self._token, "worker.stop", {})
        await _wait(self._idle.wait(), self._limit_s)
        await self.close()
        await self._idle.wait()

    async def close(self) -> None:
        """End the process: `worker.exit`, then SIGTERM, then SIGKILL. It does not start again."""
        self._stopping.set()
        if self._life is None or self._life.done():
            return
        if self._idle.is_set():
            await self._broker.send_worker(self._token, "worker.exit", {})
            if await _wait(asyncio.shield(self._life), self._term_limit_s):
                return
        self._signal(signal.SIGTERM)
        if not await _wait(asyncio.shield(self._life), self._term_limit_s):
            self._log.warning("worker does not end; killing it", pid=self.pid)
            self._signal(signal.SIGKILL)
            await asyncio.wait({self._life})


async def _wait(what: Awaitable[object], limit: float) -> bool:
    try:
        await asyncio.wait_for(what, limit)
    except TimeoutError:
        return False
    return True
