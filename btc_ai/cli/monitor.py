"""`btc-ai monitor`: the dashboard in a browser; the daemon's, or one of its own."""

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current
from btc_ai.errors import UsageError
from btc_ai.paths import runtime_dir

if TYPE_CHECKING:
    from btc_ai.config import Config

KNOWN_S = 5.0
STARTING_S = 15.0
"""How long a daemon that has just started is given until its dashboard is there."""


def monitor(
    ctx: typer.Context,
    models_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Show this models folder (default: MODELS_DIR)"),
    ] = None,
    update_interval: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.5, max=3600, help="Seconds (default: UPDATE_INTERVAL)"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="P", min=1, max=65535, help="Port (default: DASHBOARD.PORT)"),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser")] = False,
) -> None:
    """Show the dashboard: that of the daemon, or else one of its own, until Ctrl-C.

    Its own shows the models folder as it lies there, and follows a daemon of it while one runs.
    """
    here = current(ctx)
    here.refuse_host("btc-ai monitor")
    config = here.config()
    folder = models_dir.expanduser().resolve() if models_dir else config.MODELS_DIR
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is no folder; name the one that holds the models")
    except OSError as error:
        raise UsageError(f"cannot look into {folder}: {error.strerror}; name another") from None
    status = _daemon_of(here, folder)
    url = _url_of(status) if update_interval is None and port is None else None
    if url is not None:
        _show(url, no_open)
        return
    config = config.model_copy(
        update={
            "MODELS_DIR": folder,
            "DASHBOARD": config.DASHBOARD.model_copy(update={"PORT": port} if port else {}),
        }
    )
    import asyncio

    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(here, config, update_interval, status is not None, no_open))


def _daemon_of(here: Globals, folder: Path) -> dict[str, object] | None:
    """What the daemon that uses this models folder says of itself; None: there is none."""
    client = here.client_if_any()
    if client is None:
        return None
    with client:
        end = time.monotonic() + STARTING_S
        while True:
            status = client.call("daemon.status", timeout=KNOWN_S)
            if not any(map(_is_starting, status["plugins"])) or time.monotonic() > end:
                return status if Path(status["models_dir"]) == folder else None
            time.sleep(0.1)


def _is_starting(plugin: dict[str, Any]) -> bool:
    """Whether this is the dashboard, and does not say yet where it is."""
    starting = plugin["state"] in ("starting", "restarting")
    told = plugin["state"] != "ready" or "url" in plugin["status"]
    return plugin["name"] == "dashboard" and (starting or not told)


def _url_of(status: dict[str, object] | None) -> str | None:
    """Where the daemon serves its dashboard; None: it does not."""
    plugins = status["plugins"] if status else []
    assert isinstance(plugins, list)
    for one in plugins:
        if one["name"] == "dashboard" and one["state"] == "ready":
            found = one["status"].get("url")
            return str(found) if found else None
    return None


def _show(url: str, no_open: bool) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    if not no_open:
        import webbrowser

        webbrowser.open(url)


async def _serve(
    here: Globals, config: "Config", update_interval: float | None, followed: bool, no_open: bool
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM."""
    import asyncio

    import structlog

    from btc_ai.dashboard.bus import ClientBus
    from btc_ai.dashboard.serve import open_door
    from btc_ai.dashboard.service import Dashboard

    door = open_door(config.DASHBOARD.ADDRESS, config.DASHBOARD.PORT)
    dashboard = Dashboard(
        config, here.config_file, door, ClientBus(runtime_dir, config.MODELS_DIR),
        structlog.get_logger(),
        read_config=here.config, update_interval=update_interval,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, dashboard.stop)
    serving = asyncio.create_task(dashboard.run())
    here.say(_words(config, followed))
    _show(door.url, no_open)
    if door.port != config.DASHBOARD.PORT:
        here.say(f"port {config.DASHBOARD.PORT} is taken; the next free one serves")
    await serving


def _words(config: "Config", followed: bool) -> str:
    what = "the daemon and its history" if followed else "what lies there; no daemon uses it yet"
    if not config.MODELS_DIR.exists():
        what = "there is no such folder yet, and it is shown once it is there"
    return f"watching {config.MODELS_DIR}: {what}. Ctrl-C ends it"
