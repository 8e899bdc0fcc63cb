"""The daemon's side of a plugin in a process of its own: start, watch, restart, stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from pydantic import BaseModel, ConfigDict
from structlog.contextvars import get_contextvars

from btc_ai.api.discovery import Found
from btc_ai.api.service import Body, Call, Command
from btc_ai.api.step import WorkerFailedError
from btc_ai.bus.codec import Envelope
from btc_ai.bus.link import Link
from btc_ai.config import Config, Supervision
from btc_ai.daemon.children.deaths import OomWatch, Tally, cause_of
from btc_ai.daemon.children.orphans import MARK_VARIABLE, end_descendants, new_mark
from btc_ai.daemon.children.pipes import LogPipes
from btc_ai.daemon.children.silence import SilenceWatch
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.hosting.bus import PluginBus
from btc_ai.daemon.hosting.child import MEMORY_VARIABLE, PARENT_VARIABLE
from btc_ai.daemon.hosting.context import Parts
from btc_ai.daemon.hosting.described import DescribedCommand, Description
from btc_ai.daemon.hosting.lent import LentWorkers
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import BtcAiError, PluginError
from btc_ai.execution.signals import send_signal
from btc_ai.logs.capture import logger
from btc_ai.logs.inlet import Budget
from btc_ai.paths import plugin_socket

LOAD_LIMIT_S = 30.0
END_LIMIT_S = 5.0
SILENCE = Supervision(STALLED_AFTER=3, KILL_STALLED_AFTER=30)
MESSAGES_A_SECOND = 2000.0

Changed = Callable[[str, str], None]
"""Hears of each new state and what there is to say of it."""


class _Anything(BaseModel):
    """The body of a command that the plugin's process checks."""

    model_config = ConfigDict(extra="allow")


class _DiedError(BtcAiError):
    """The process ended while something was expected of it."""

    code = "plugin"


class PluginProcess:
    """A plugin's service in a process of its own. States are those of `docs/plugins.md`."""

    def __init__(
        self, found: Found, config: Config, parts: Parts, changed: Changed, *,
        start_limit_s: float, stop_limit_s: float, load_limit_s: float = LOAD_LIMIT_S,
    ) -> None:  # fmt: skip
        """Nothing runs yet; `changed` hears of each state. config: what the plugin sees."""
        assert found.manifest is not None
        self._found, self._config, self._section = found, config, config.plugin(found.name)
        self._parts, self._changed = parts, changed
        self._start_limit_s, self._stop_limit_s = start_limit_s, stop_limit_s
        self._load_limit_s = load_limit_s
        self._log = logger(found.name).bind(plugin=found.name)
        self._bus = PluginBus(found.manifest, parts, self._log)
        remedy = f"`btc-ai plugins enable {found.name}`"
        self._tally = Tally(what=f"plugin {found.name}", remedy=remedy)
        self._oom = OomWatch()
        self._silence = SilenceWatch(SILENCE, self._spoke_or_not, self._kill, look=self._oom.look)
        self._process: asyncio.subprocess.Process | None = None
        self._link: Link | None = None
        self._workers: LentWorkers | None = None
        self._killed_for: str | None = None
        self._ending = asyncio.Event()
        self._ready = asyncio.Event()
        self._tasks = Tasks(self._log)
        self._over = asyncio.Event()
        self._over.set()
        self.status: Body = {}
        self.described: Body = {}
        self.commands: tuple[Command, ...] = ()

    @property
    def pid(self) -> int | None:
        """The process id, while one is alive."""
        return self._process.pid if self._process else None

    @property
    def workers(self) -> list[ProcessWorker]:
        """The worker processes that it has."""
        return self._workers.alive if self._workers else []

    @property
    def deaths(self) -> dict[str, int]:
        """How often it died, by cause."""
        return dict(self._tally.causes)

    def begin(self) -> None:
        """Start it, and again whenever it dies, until `stop`."""
        self._changed("starting", "")
        self._over.clear()
        self._tasks.spawn(f"plugin {self._found.name}", self._supervise())

    async def stop(self) -> None:
        """Stop the service and end the process."""
        self._ending.set()
        if not await self._ask_to_stop():
            self._kill("did not stop")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), END_LIMIT_S)
        self._kill("did not end")
        await self._over.wait()

    async def _ask_to_stop(self) -> bool:
        if self._link is None or not self._ready.is_set() or self._silence.stalled:
            return False
        try:
            await self._link.ask("plugin.stop", {}, self._stop_limit_s)
        except TimeoutError:
            self._log.error("plugin does not stop in time", plugin=self._found.name)
            return False
        except BtcAiError as error:
            self._log.error("plugin does not stop", plugin=self._found.name, error=str(error))
            return False
        return True

    async def _supervise(self) -> None:
        try:
            while not self._ending.is_set():
                try:
                    if not await self._live():
                        return
                except _DiedError as death:
                    if self._ending.is_set() or not await self._again(str(death)):
                        return
        finally:
            self._over.set()

    async def _again(self, cause: str) -> bool:
        """Wait before the next start; False where it died too often."""
        try:
            delay = self._tally.record(cause)
        except WorkerFailedError as error:
            self._changed("failed", str(error))
            return False
        self._log.warning("plugin died; restarting it", cause=cause, delay_s=delay)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), delay)
        return not self._ending.is_set()

    async def _live(self) -> bool:
        """One life of the process. False where there is no use in another.

        Raises _DiedError where it ended unasked.
        """
        path = plugin_socket(self._parts.runtime, self._found.name)
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.DEALER)
        self._workers = workers = LentWorkers(self._found.name, self._parts, self._tell)
        self._killed_for, mark = None, new_mark()
        self._silence.reset()
        try:
            _bind_private(socket, path)
            self._link = self._new_link(socket, workers)
            async with LogPipes(
                self._parts.logs, self._log, self._found.name, set_level=self._set_level,
                what="plugin", budget=Budget(), plugin=self._found.name,
            ) as pipe:  # fmt: skip
                await self._spawn(pipe, mark)
                return await self._follow(pipe)
        except OSError as error:  # no descriptors, no processes left
            raise self._died(f"cannot be started ({error.strerror})") from None
        finally:
            self._ready.clear()
            await workers.close()
            if self._link is not None:
                await self._link.close()
                self._link = None
            context.destroy(linger=0)
            path.unlink(missing_ok=True)
            if self._process is not None:
                await asyncio.to_thread(end_descendants, self._process.pid, mark)
                self._process = None

    def _new_link(self, socket: Any, workers: LentWorkers) -> Link:
        return Link(
            socket,
            source="daemon",
            requests={"plugin.call": self._bus.call, **workers.requests},
            notices={
                "plugin.hello": lambda message: None,
                "plugin.alive": self._alive,
                "plugin.event": self._bus.publish,
                **workers.notices,
            },
            log=self._log,
            heard=self._silence.heard,
            rate=MESSAGES_A_SECOND,
        )

    async def _spawn(self, pipe: LogPipes, mark: str) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "btc_ai.daemon.hosting.child", self._found.name,
                stdin=asyncio.subprocess.DEVNULL, stdout=pipe.stderr, stderr=pipe.stderr,
                pass_fds=pipe.descriptors,
                env=os.environ | pipe.environment | {
                    PARENT_VARIABLE: str(os.getpid()),
                    MEMORY_VARIABLE: str(self._section.MEMORY_LIMIT_MB),
                    MARK_VARIABLE: mark,
                    "BTC_AI_RUNTIME_DIR": str(self._parts.runtime),
                    "PYTHONUNBUFFERED": "1",
                },
                start_new_session=True,
            )  # fmt: skip
        finally:
            pipe.close_writing()
        self._log.info("plugin process started", pid=self._process.pid)
        if self._ending.is_set():
            self._kill("stopped before it began")

    async def _follow(self, pipe: LogPipes) -> bool:
        """Load and start the plugin, then watch it until it ends."""
        assert self._process is not None and self._link is not None
        link, process = self._link, self._process
        serving = asyncio.create_task(link.serve(), name="plugin link")
        working = asyncio.create_task(self._work(link), name="plugin work")
        ending = asyncio.create_task(process.wait(), name="plugin end")
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                return self._finish(working)
            link.fail(PluginError(f"the plugin {self._found.name} has died; it starts again"))
            cause = cause_of(
                ending.result(), ours=self._killed_for, oom=self._oom,
                memory_mb=self._section.MEMORY_LIMIT_MB, last_words=pipe.last_words,
            )  # fmt: skip
            if self._ending.is_set():
                return False
            raise self._died(cause)
        finally:
            for task in (serving, working):
                task.cancel()
            await asyncio.gather(serving, working, return_exceptions=True)
            send_signal(process, signal.SIGKILL)
            await ending

    def _died(self, cause: str) -> _DiedError:
        self._ready.clear()
        self._changed("restarting", cause)
        return _DiedError(cause)

    def _finish(self, working: "asyncio.Task[bool]") -> bool:
        """What became of a plugin that cannot be used, or has nothing to run."""
        try:
            return working.result()
        except BtcAiError as error:
            self._changed("broken", str(error))
        except Exception as error:  # noqa: BLE001  # a fence: what the plugin said of itself
            self._log.error("plugin cannot be used", exc_info=True)
            self._changed("broken", f"{type(error).__name__}: {error}")
        return False

    async def _work(self, link: Link) -> bool:
        """Returns False once it is loaded and has nothing to run; else watches for ever."""
        file = self._parts.config_file
        told = {
            "config": self._config.model_dump(mode="json"),
            "config_file": str(file) if file else None,
            "settings": self._section.SETTINGS,
        }
        answer = await _within(link, "plugin.load", told, self._load_limit_s)
        described = Description.of(self._found.name, answer)
        self.described = described.model_dump(by_alias=True)
        self.commands = tuple(self._command(one) for one in described.commands)
        self._bus.events = frozenset(one.kind for one in described.events)
        if not self.described["runs"]:
            self._changed("idle", "")
            return False
        await _within(link, "plugin.start", {}, self._start_limit_s)
        self._ready.set()
        self._changed("ready", "")
        await self._silence.watch()
        await asyncio.Event().wait()  # it was killed; its end ends this
        return True

    def _command(self, one: DescribedCommand) -> Command:
        async def forward(body: _Anything, call: Call) -> Body:
            await self._until_ready()
            assert self._link is not None
            request = {
                "kind": one.kind, "body": body.model_dump(), "call": vars(call),
                "bound": get_contextvars(),
            }  # fmt: skip
            return await self._link.ask("plugin.command", request)

        return Command(one.kind, _Anything, forward, one.timeout, one.role)

    async def _until_ready(self) -> None:
        """Wait while it is being restarted. Raises PluginError where it will not be ready again."""
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, self._over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._ready.is_set():
            raise PluginError(f"the plugin {self._found.name} has been stopped; try again")

    def _spoke_or_not(self) -> None:
        if self._silence.stalled:
            self._changed("stalled", f"has said nothing for {SILENCE.STALLED_AFTER:g} s")
        else:
            self._changed("ready", "")

    def _kill(self, why: str) -> None:
        if self._process is not None and self._process.returncode is None:
            self._killed_for = why
            send_signal(self._process, signal.SIGKILL)

    def _alive(self, message: Envelope) -> None:
        self._tally.progressed()
        status, dropped = message.body["status"], message.body.get("dropped", 0)
        self.status = status | ({"events_dropped": dropped} if dropped else {})

    def _set_level(self, level: int) -> None:
        if self._link is not None:
            self._link.tell("plugin.level", {"level": level})

    def _tell(self, what: str, worker: str, body: Body) -> None:
        if self._link is not None:
            self._link.tell(f"plugin.{what}", {"worker": worker, "body": body})


async def _within(link: Link, kind: str, body: Body, limit_s: float) -> Body:
    try:
        return await link.ask(kind, body, limit_s)
    except TimeoutError:
        raise PluginError(f"not ready within {limit_s:g} s ({kind})") from None


def _bind_private(socket: Any, path: Path) -> None:
    """Bind a socket that no other user can reach. Raises _DiedError where that cannot be."""
    if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
        raise _DiedError(f"{path} is too long for a socket; name a shorter BTC_AI_RUNTIME_DIR")
    socket.setsockopt(zmq.MAXMSGSIZE, 8 << 20)
    mask = os.umask(0o177)
    try:
        socket.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        raise _DiedError(f"cannot listen at {path}: {error}") from None
    finally:
        os.umask(mask)
