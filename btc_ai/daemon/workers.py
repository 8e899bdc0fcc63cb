"""The daemon's side of a worker process: start, steps, stop, and restart when it dies."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from btc_ai.api.service import Body, Logger
from btc_ai.api.step import StepStoppedError, WorkerFailedError
from btc_ai.bus.broker import Broker
from btc_ai.bus.codec import Envelope
from btc_ai.bus.worker import TOKEN_VARIABLE
from btc_ai.daemon.worker import PARENT_VARIABLE
from btc_ai.errors import GO_ON, BtcAiError

START_LIMIT_S = 120.0
TERM_LIMIT_S = 5.0
DEATHS_ALLOWED, DEATHS_WITHIN_S = 5, 60.0
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 15.0
MAX_LOG_LINE = 16_384
LAST_WORDS_S = 1.0


class _DiedError(Exception):
    """The process ended while something was expected of it."""


class StepError(BtcAiError):
    """What a step raised, with its code."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # each error has its own


class Tally:
    """Deaths of a worker by cause; says how long to wait before the next start."""

    def __init__(self, first_delay_s: float = FIRST_DELAY_S) -> None:
        """No deaths yet."""
        self._first_delay_s = first_delay_s
        self._times: deque[float] = deque()
        self._causes: Counter[str] = Counter()
        self._fruitless = 0

    def progressed(self) -> None:
        """The step got somewhere since the last death."""
        self._fruitless = 0

    def record(self, cause: str) -> float:
        """Count a death; return the delay in seconds.

        Raises WorkerFailedError after 5 within 60 s, or 5 without progress in between.
        """
        now = time.monotonic()
        self._causes[cause] += 1
        self._fruitless += 1
        self._times.append(now)
        while now - self._times[0] > DEATHS_WITHIN_S:
            self._times.popleft()
        if max(len(self._times), self._fruitless) >= DEATHS_ALLOWED:
            causes = ", ".join(f"{count} × {cause}" for cause, count in self._causes.items())
            raise WorkerFailedError(
                f"the worker died too often ({causes}); see the log, then {GO_ON}"
            )
        return float(min(self._first_delay_s * 2 ** (len(self._times) - 1), MAX_DELAY_S))


class ProcessWorker:
    """A worker process and its restarts; the `Worker` of `btc_ai.api.service`."""

    def __init__(
        self, broker: Broker, runtime: Path, log: Logger, *, limit_s: float,
        start_limit_s: float = START_LIMIT_S, term_limit_s: float = TERM_LIMIT_S,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:  # fmt: skip
        """A worker that starts with its first step; asked to stop, a step has `limit_s`."""
        self._broker, self._runtime, self._log, self._limit_s = broker, runtime, log, limit_s
        self._start_limit_s, self._term_limit_s = start_limit_s, term_limit_s
        self._first_delay_s = first_delay_s
        self._process: asyncio.subprocess.Process | None = None
        self._token = b""
        self._pump: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[Envelope] | None = None
        self._on_progress: Callable[[Body], None] = lambda body: None
        self._tally = Tally(first_delay_s)
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pid(self) -> int | None:
        """The process id, while one is alive."""
        return self._process.pid if self._process else None

    async def run(
        self, function: str, arguments: Body, on_progress: Callable[[Body], None]
    ) -> Body:
        """Run one step; see `btc_ai.api.service.Worker`."""
        self._on_progress = on_progress
        step = {"function": function, "arguments": arguments}
        self._tally = tally = Tally(self._first_delay_s)
        self._idle.clear()
        try:
            while True:
                try:
                    return await self._attempt(step)
                except _DiedError as death:
                    await self._after_death(str(death), tally)
        finally:
            self._idle.set()

    async def _after_death(self, cause: str, tally: Tally) -> None:
        if self._stopping.is_set():
            raise StepStoppedError("stopped; it goes on from its last checkpoint")
        delay = tally.record(cause)
        self._log.warning("worker died; restarting it", cause=cause, delay_s=delay)
        try:
            await asyncio.wait_for(self._stopping.wait(), delay)
        except TimeoutError:
            return
        raise StepStoppedError("stopped; it goes on from its last checkpoint")

    async def _attempt(self, step: Body) -> Body:
        if self._process is None and not self._stopping.is_set():
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
        self._token = secrets.token_bytes(16)
        self._outcome = asyncio.get_running_loop().create_future()
        self._broker.attach_worker(self._token, self._hear)
        environment = os.environ | {
            TOKEN_VARIABLE: self._token.hex(),
            PARENT_VARIABLE: str(os.getpid()),
            "BTC_AI_RUNTIME_DIR": str(self._runtime),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "btc_ai.daemon.worker",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=writing,
                env=environment,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(reading)
            self._broker.detach_worker(self._token)
            raise _DiedError(f"cannot be started ({error.strerror})") from None
        finally:
            os.close(writing)
        self._pump = asyncio.create_task(self._follow(self._process, reading), name="worker")
        self._log.info("worker started", pid=self._process.pid)
        try:
            await asyncio.wait_for(self._outcome, self._start_limit_s)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._pump
            raise _DiedError(f"not ready within {self._start_limit_s:g} s") from None

    async def _exchange(self, kind: str, body: Body) -> Envelope:
        self._outcome = asyncio.get_running_loop().create_future()
        if self._process is None:
            raise _DiedError("ended between steps")
        await self._broker.send_worker(self._token, kind, body)
        return await self._outcome

    def _hear(self, message: Envelope) -> None:
        if message.kind == "worker.progress":
            try:
                self._tally.progressed()
                self._on_progress(message.body)
            except Exception:  # noqa: BLE001  # a fence: a listener must not end the broker
                self._log.error("progress could not be taken", exc_info=True)
        elif self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(message)

    async def _follow(self, process: asyncio.subprocess.Process, stderr: int) -> None:
        """Log what the process writes to stderr; when it ends, say so to whoever waits."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stderr, "rb", 0)
        )
        log = asyncio.create_task(self._log_lines(reader), name="worker stderr")
        cause = _cause(await process.wait())
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what the step started and left
        await asyncio.wait({log}, timeout=LAST_WORDS_S)
        log.cancel()
        transport.close()
        self._broker.detach_worker(self._token)
        self._process = None
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(_DiedError(cause))

    async def _log_lines(self, stderr: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stderr.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-MAX_LOG_LINE:]
            for line in lines:
                self._log_line(line)
        if rest:
            self._log_line(rest)

    def _log_line(self, line: bytes) -> None:
        text = line[:MAX_LOG_LINE].decode(errors="replace").rstrip()
        levels = {"debug": self._log.debug, "info": self._log.info, "warning": self._log.warning}
        try:
            record = json.loads(text)
            level, event = record.pop("level"), str(record.pop("event"))
            levels.get(level, self._log.error)(event, **record)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            if text:
                self._log.warning("worker wrote", text=text)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Ask for a checkpoint and an end; then SIGTERM, then SIGKILL, each after a wait."""
        self._stopping.set()
        if self._process is not None and not self._idle.is_set():
            await self._broker.send_worker(self._token, "worker.stop", {})
        await self._wait(self._idle.wait(), self._limit_s)
        await self.close()
        await self._idle.wait()

    async def close(self) -> None:
        """End the process: `worker.exit`, then SIGTERM, then SIGKILL. It does not start again."""
        self._stopping.set()
        if self._process is None or self._pump is None:
            return
        if self._idle.is_set():
            await self._broker.send_worker(self._token, "worker.exit", {})
            if await self._wait(asyncio.shield(self._pump), self._term_limit_s):
                return
        self._signal(signal.SIGTERM)
        if not await self._wait(asyncio.shield(self._pump), self._term_limit_s):
            self._log.warning("worker does not end; killing it", pid=self.pid)
            self._signal(signal.SIGKILL)
            await self._pump

    @staticmethod
    async def _wait(
        what: "asyncio.Future[None] | asyncio.Task[None] | object", limit: float
    ) -> bool:
        try:
            await asyncio.wait_for(what, limit)  # type: ignore[arg-type]
        except TimeoutError:
            return False
        return True


def _cause(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    return f"signal {signal.Signals(-returncode).name}"
