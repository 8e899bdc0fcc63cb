"""The process of one plugin: loads it, runs its service, and talks to the daemon over a link."""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import zmq
import zmq.asyncio
from structlog.contextvars import bound_contextvars

from btc_ai.api.discovery import Found, discover
from btc_ai.api.service import Body, Call, Command, Health
from btc_ai.bus.codec import Envelope
from btc_ai.bus.link import Link
from btc_ai.config import restore_config
from btc_ai.daemon.children.records import hand_on_records, set_level
from btc_ai.daemon.dispatch import run_command
from btc_ai.daemon.hosting.isolated import IsolatedContext
from btc_ai.daemon.hosting.loading import (
    Loaded,
    checked_settings,
    description,
    load,
    settings_model,
)
from btc_ai.daemon.hosting.sinks import feed
from btc_ai.errors import BtcAiError, PluginError
from btc_ai.execution.child import die_with_parent
from btc_ai.logs.capture import logger
from btc_ai.paths import plugin_socket, runtime_dir

PARENT_VARIABLE = "BTC_AI_PLUGIN_PARENT"
MEMORY_VARIABLE = "BTC_AI_PLUGIN_MEMORY_MB"
ALIVE_EVERY_S = 1.0
NICENESS = 5


class PluginMain:
    """Answers the daemon's requests about one plugin."""

    def __init__(self, found: Found, runtime: Path) -> None:
        """Connect; nothing of the plugin is imported yet."""
        self._found, self._runtime, self._log = found, runtime, logger(found.name)
        context = zmq.asyncio.Context()
        socket = context.socket(zmq.DEALER)
        socket.connect(f"ipc://{plugin_socket(runtime, found.name)}")
        self._zmq = context
        self._end = asyncio.Event()
        self._link = Link(
            socket,
            source=found.name,
            requests={
                "plugin.load": self._load, "plugin.start": self._start,
                "plugin.command": self._command, "plugin.stop": self._stop,
            },
            notices={
                "plugin.progress": self._progress, "plugin.health": self._health,
                "plugin.level": lambda message: set_level(message.body["level"]),
            },
            log=self._log,
        )  # fmt: skip
        self._context: IsolatedContext | None = None
        self._loaded: Loaded | None = None
        self._commands: dict[str, Command] = {}

    async def run(self) -> None:
        """Serve until the daemon asks for the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # the daemon decides
        serving = asyncio.create_task(self._link.serve(), name="link")
        self._link.tell("plugin.hello", {"pid": os.getpid()})
        alive = asyncio.create_task(self._tell_alive(), name="alive")
        await self._end.wait()
        alive.cancel()
        serving.cancel()
        await self._link.close()
        self._zmq.term()

    async def _load(self, message: Envelope) -> Body:
        body = message.body
        config = restore_config(body["config"])
        config_file = Path(body["config_file"]) if body["config_file"] else None
        context = IsolatedContext(self._found, config, config_file, self._runtime, self._link)
        self._context = context
        self._loaded = loaded = self._fenced(lambda: load(self._found, context, body["settings"]))
        self._commands = {one.kind: one for one in loaded.commands}
        return description(loaded)

    def _fenced(self, work: Callable[[], Loaded]) -> Loaded:
        try:
            return work()
        except BtcAiError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
            self._log.error("plugin cannot be loaded", exc_info=True)
            raise PluginError(f"{type(error).__name__}: {error}"[:1000]) from None

    async def _start(self, message: Envelope) -> Body:
        assert self._loaded is not None and self._context is not None
        try:
            if self._loaded.service is not None:
                await self._loaded.service.start()
        except BtcAiError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin start
            self._log.error("plugin cannot be started", exc_info=True)
            raise PluginError(f"{type(error).__name__}: {error}"[:1000]) from None
        if self._loaded.sinks:
            self._context.spawn("metrics", feed(self._context, self._loaded.sinks))
        return {}

    async def _command(self, message: Envelope) -> Body:
        body = message.body
        command = self._commands[body["kind"]]
        call = Call(**body["call"])
        with bound_contextvars(**body["bound"]):
            return await run_command(command, body["body"], call, self._log)

    async def _stop(self, message: Envelope) -> Body:
        try:
            if self._loaded is not None and self._loaded.service is not None:
                await self._loaded.service.stop()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: it must end all the same
            self._log.error("plugin does not stop", exc_info=True)
            raise PluginError(f"{type(error).__name__}: {error}"[:1000]) from None
        finally:
            asyncio.get_running_loop().call_later(0.05, self._end.set)  # the reply goes first
            if self._context is not None:
                await self._context.close()
        return {}

    def _progress(self, message: Envelope) -> None:
        if self._context is None:
            return
        hear = self._context.progress.get(message.body["worker"])
        if hear is not None:
            hear(message.body["body"])

    def _health(self, message: Envelope) -> None:
        hear = self._context.health.get(message.body["worker"]) if self._context else None
        if hear is not None:
            hear(Health(**message.body["body"]))

    async def _tell_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            body = {"status": self._status(), "dropped": self._link.dropped}
            try:
                self._link.tell("plugin.alive", body)
            except BtcAiError as error:
                self._link.tell("plugin.alive", {"status": {"error": str(error)[:1000]}})

    def _status(self) -> Body:
        if self._loaded is None or self._loaded.service is None:
            return {}
        try:
            return self._loaded.service.status()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: it is alive
            return {"error": f"{type(error).__name__}: {error}"[:1000]}


def check_settings(found: Found) -> str:
    """What is wrong with the settings on stdin, as a plugin's own model says; empty: nothing."""
    try:
        checked_settings(found.name, settings_model(found), json.load(sys.stdin))
    except BtcAiError as error:
        return str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
        return f"{found.name} cannot be loaded: {type(error).__name__}: {error}"[:1000]
    return ""


def main() -> None:
    """Serve the plugin that is named; or, with --check-settings, check its settings."""
    name = sys.argv[1]
    found = next((one for one in discover() if one.name == name and not one.problem), None)
    if found is None:
        sys.exit(f"there is no usable plugin {name}")
    if "--check-settings" in sys.argv[2:]:
        with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
            os.dup2(2, 1)  # what the plugin prints is no answer
            answer.write(check_settings(found))
        return
    die_with_parent(int(os.environ.pop(PARENT_VARIABLE)))
    os.nice(NICENESS)
    limit = int(os.environ.pop(MEMORY_VARIABLE)) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    hand_on_records()
    asyncio.run(PluginMain(found, runtime_dir()).run())


if __name__ == "__main__":
    main()
