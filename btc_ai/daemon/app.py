"""The daemon, on one screen: everything is built here, started in order, stopped in reverse."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from btc_ai import __version__
from btc_ai.api.discovery import known_names
from btc_ai.api.messages import DaemonState, LogState
from btc_ai.bus.broker import Broker
from btc_ai.bus.keys import Keys
from btc_ai.bus.remote import RemoteDoor
from btc_ai.config import Config, load_config
from btc_ai.daemon.bus_commands import BusCommands
from btc_ai.daemon.commands import DaemonCommands
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.hosting.context import Parts
from btc_ai.daemon.hosting.host import PluginHost
from btc_ai.daemon.log_commands import LogCommands
from btc_ai.daemon.logs import Logs
from btc_ai.daemon.private import make_private
from btc_ai.daemon.reload import Reload
from btc_ai.daemon.systemd import Notifier, keep_watch
from btc_ai.daemon.tasks import Tasks
from btc_ai.daemon.trial import Trial
from btc_ai.errors import UpdateError
from btc_ai.journal import SqliteJournal
from btc_ai.lock import Lock
from btc_ai.logs.capture import logger
from btc_ai.paths import find_config, journal_file, lock_file, models_lock_file, runtime_dir
from btc_ai.redaction import secrets_of


async def serve(config_option: Path | None, *, console: bool, on_ready: Callable[[], None]) -> None:
    """Run the daemon until it is told to stop. Raises BtcAiError where it cannot start."""
    config_file, runtime = find_config(config_option), runtime_dir()
    config = load_config(config_file, **known_names())
    stop = asyncio.Event()
    notifier = Notifier()
    reload = Reload(config, config_file, notifier, logger("reload"))
    _handle_signals(stop, reload)

    async with AsyncExitStack() as stack:
        make_private(runtime)
        runtime_lock = Lock(lock_file(runtime), f"the sockets in {runtime}")
        stack.callback(runtime_lock.release)
        models_lock = Lock(models_lock_file(config.MODELS_DIR), f"MODELS_DIR {config.MODELS_DIR}")
        stack.callback(models_lock.release)

        logs = Logs(config.LOGGING, config.LOG_DIR, console=console, secrets=_secrets(config))
        stack.callback(logs.close)
        reload.register("LOGGING.LEVEL", logs.levels.configure)
        log = logger("daemon")
        log.info("starting", version=__version__, config=config_file, runtime=runtime)
        stack.callback(log.info, "stopped")

        journal = SqliteJournal(journal_file(config.MODELS_DIR))
        stack.callback(journal.close)

        dispatcher = Dispatcher(logger("dispatch"), audit=logger("audit"))
        tasks = Tasks(log)
        broker, door = _open_bus(stack, config, runtime, dispatcher, tasks)

        parts = Parts(config, config_file, runtime, journal, broker, dispatcher, logs)
        host = PluginHost(parts)
        for key in ("PLUGINS", "MONITORING.ENABLED", "DASHBOARD.ENABLED"):
            reload.register(key, host.apply)
        own = DaemonCommands(parts, host, reload, stop, managed=notifier.managed)
        dispatcher.add(own.commands())
        dispatcher.add(LogCommands(logs, host).commands())
        logs.on_trouble(lambda why: parts.announce(LogState(trouble=why or ""), source="daemon"))
        dispatcher.add(BusCommands(broker, dispatcher, config.KEYS_DIR, door).commands())
        stack.push_async_callback(host.stop)
        await host.start()

        parts.announce(DaemonState(state="ready"), source="daemon")
        log.info("ready")
        on_ready()
        notifier.ready()
        if notifier.watchdog_s:
            tasks.spawn("watchdog", keep_watch(notifier, runtime, log), forever=True)
        trial = Trial(host.records, log, stop.set)
        tasks.spawn("trial", trial.run())
        await stop.wait()
        log.info("stopping")
        notifier.stopping()
        parts.announce(DaemonState(state="stopping"), source="daemon")
        await broker.idle()
    if trial.failure:
        raise UpdateError(trial.failure)


def _open_bus(
    stack: AsyncExitStack, config: Config, runtime: Path, dispatcher: Dispatcher, tasks: Tasks
) -> tuple[Broker, RemoteDoor | None]:
    """The sockets of this machine, and those of REMOTE where it is enabled, being served."""
    broker = Broker(runtime, lambda frame, peer: dispatcher.handle(broker, frame, peer))
    stack.callback(broker.close)
    door = None
    if config.REMOTE.ENABLED:
        door = RemoteDoor(broker, config.REMOTE, Keys(config.KEYS_DIR), logger("remote"))
        stack.callback(door.close)
    stack.push_async_callback(tasks.cancel)
    tasks.spawn("commands", broker.serve_commands(), forever=True)
    tasks.spawn("subscriptions", broker.serve_subscriptions(), forever=True)
    if door is not None:
        tasks.spawn("remote", door.serve(), forever=True)
    stack.push_async_callback(dispatcher.tasks.cancel)
    return broker, door


def _secrets(config: Config) -> set[str]:
    settings = {name: one.SETTINGS for name, one in config.PLUGINS.items()}
    return secrets_of([settings, config.HISTORY_URL])


def _handle_signals(stop: asyncio.Event, reload: Reload) -> None:
    """SIGTERM and SIGINT stop the daemon; SIGHUP reloads, unless its terminal has been closed."""
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    hang_up = stop.set if has_terminal else reload.on_signal
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
