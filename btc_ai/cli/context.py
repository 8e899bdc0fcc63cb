"""What every command shares: the global options, the configuration, the client."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from btc_ai.errors import BtcAiError, UsageError
from btc_ai.paths import find_config, host_file, runtime_dir

if TYPE_CHECKING:
    from btc_ai.bus.client import Client
    from btc_ai.config import Config


@dataclass(frozen=True)
class Globals:
    """The global options of one invocation."""

    config_option: Path | None = None
    autostart: bool = True
    quiet: bool = False
    host: str | None = None

    @property
    def config_file(self) -> Path | None:
        """The configuration file in force, or None: the documented defaults."""
        self.refuse_host("this command")
        return find_config(self.config_option)

    @property
    def runtime(self) -> Path:
        """The runtime directory of the daemon on this machine."""
        self.refuse_host("this command")
        return runtime_dir()

    def refuse_host(self, what: str) -> None:
        """Raise UsageError where --host is given: `what` is about this machine."""
        if self.host is not None:
            raise UsageError(f"{what} does not go with --host; run it on the daemon's machine")

    def config(self) -> "Config":
        """The configuration; raises ConfigError with all that is wrong."""
        from btc_ai.api.discovery import known_names
        from btc_ai.config import load_config

        return load_config(self.config_file, **known_names())

    def client(self) -> "Client":
        """A client of the running daemon; raises NoDaemonError where none runs."""
        from btc_ai.bus.client import Client

        if self.host is None:
            return Client(self.runtime)
        from btc_ai.bus.address import read_host

        return Client(read_host(host_file(self.host)))

    def client_if_any(self) -> "Client | None":
        """A client of the daemon, or None where none listens; one that is slow is no reason."""
        from btc_ai.bus.client import NoDaemonError

        try:
            return self.client()
        except NoDaemonError:
            return None

    def connect(self, check: Callable[[], None] = lambda: None) -> "Client":
        """A client; where no daemon runs on this machine, start one on demand and say so.

        check: raises what speaks against starting one.
        """
        from btc_ai.bus.client import NoDaemonError
        from btc_ai.cli.on_demand import start_daemon

        try:
            client = self.client()
        except NoDaemonError:
            if not self.autostart or self.host is not None:
                raise
            check()
            pid = start_daemon(self.runtime, self.config_file)
            sys.stderr.write(
                f"started a daemon in the background (process {pid}); "
                "`btc-ai daemon stop` ends it\n"
            )  # fmt: skip
            return self.client()
        self.compare_config(client)
        return client

    def compare_config(self, client: "Client", *, note: bool = True) -> None:
        """See that the daemon runs with the configuration file that this command would read.

        Raises BtcAiError where another was named. note: say on stderr where the daemon has none.
        """
        if self.host is not None or (file := self.config_file) is None:
            return
        used = client.call("daemon.status")["config_file"]
        if used is not None and Path(used) == file:
            return
        said = (
            f"the daemon at {self.runtime} runs with {used or 'the default configuration'}, not "
            f"with {file}"
        )
        if self.config_option is not None or "BTC_AI_CONFIG" in os.environ:
            raise BtcAiError(
                f"{said}; stop it with `btc-ai daemon stop`, or give this one a runtime folder of "
                "its own in BTC_AI_RUNTIME_DIR"
            )
        if note and used is None:
            sys.stderr.write(f"note: {said}; `btc-ai daemon restart` takes that up\n")

    def call(self, kind: str, body: Any = None, *, timeout: float | None = None) -> dict[str, Any]:
        """Send one command and return its result; see `btc_ai.api.cli.CommandLine`."""
        with self.connect() as client:
            return client.call(kind, body, timeout=timeout)

    def say(self, text: str) -> None:
        """Print one line of what was done, unless --quiet."""
        if not self.quiet:
            sys.stdout.write(f"{text}\n")


def current(ctx: typer.Context) -> Globals:
    """The global options of the running command."""
    found = ctx.find_object(Globals)
    assert found is not None, "the root callback sets it"
    return found


def print_json(value: Any) -> None:
    """Print one value as JSON on one line."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def state_of(run: dict[str, Any]) -> str:
    """The state of a run; while it is brought to another at its next checkpoint, that."""
    coming = {"stopped": "stopping", "paused": "pausing"}.get(str(run.get("wanted")))
    return coming if coming and run["state"] == "running" else str(run["state"])


def market_name(run: dict[str, Any]) -> str:
    """Symbol and interval of a run's candles, and whether they are made up."""
    return f"{run['symbol']} {run['interval']}{' (synthetic)' if run['synthetic'] else ''}"


def stalled_words(step: dict[str, Any]) -> str:
    """That a step's worker is stalled, and since when; nothing where it is not."""
    since = step["stalled_since"]
    return f"stalled: its worker has been silent for {time.time() - since:.0f} s" if since else ""


def update_words(plugins: list[dict[str, Any]]) -> str:
    """That a newer release is there, as the update plugin knows; nothing where none is."""
    for one in plugins:
        if one["name"] == "update" and one["status"].get("available"):
            return f"{one['status']['available']} is there; {one['status']['todo']}"
    return ""


def restart_words(restarts: dict[str, int]) -> str:
    """Deaths of workers, by cause."""
    return ", ".join(f"{count} × {cause}" for cause, count in restarts.items())
