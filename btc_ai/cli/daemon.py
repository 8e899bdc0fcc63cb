"""`btc-ai daemon`: run, start, stop, restart, reload and status."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json, restart_words, update_words
from btc_ai.cli.on_demand import daemon_command, start_daemon
from btc_ai.errors import BtcAiError

app = typer.Typer(
    no_args_is_help=True, help="The daemon: run, start, stop, restart, reload, status."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
STOP_LIMIT_S = 75.0


@app.command()
def run(ctx: typer.Context) -> None:
    """Run the daemon in the foreground, logging to the terminal."""
    command = daemon_command(current(ctx).config_file)
    os.execv(command[0], command)


@app.command()
def start(ctx: typer.Context) -> None:
    """Start the daemon in the background; unfinished runs go on."""
    from btc_ai.bus.client import daemon_listens

    here = current(ctx)
    if daemon_listens(here.runtime):
        raise BtcAiError(f"a daemon is already running at {here.runtime}; `btc-ai daemon status`")
    pid = start_daemon(here.runtime, here.config_file)
    here.say(f"the daemon runs in the background (process {pid})")


@app.command()
def stop(ctx: typer.Context) -> None:
    """Stop the daemon; a run in progress is checkpointed and goes on at the next start."""
    here = current(ctx)
    stop_daemon(here)
    here.say("the daemon has stopped")


def stop_daemon(here: Globals) -> None:
    """Ask the daemon to stop and wait until it has."""
    with here.client() as client:
        pid = int(client.call("daemon.ping")["pid"])
        client.call("daemon.stop")
    end = time.monotonic() + STOP_LIMIT_S
    while client.address.listens() if here.host is not None else _alive(pid):
        if time.monotonic() > end:
            raise BtcAiError(f"the daemon (process {pid}) has not stopped in {STOP_LIMIT_S:g} s")
        time.sleep(0.05)


def _with_running_config(here: Globals, status: dict[str, Any]) -> Globals:
    """The same, with the running daemon's configuration where none was named."""
    if here.config_option is not None or "BTC_AI_CONFIG" in os.environ:
        return here
    used = status["config_file"]
    return replace(here, config_option=Path(used) if used else None)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


@app.command()
def restart(ctx: typer.Context) -> None:
    """Stop the daemon, if one runs, and start it again; runs in progress go on."""
    from btc_ai.api.discovery import known_names
    from btc_ai.bus.client import daemon_listens
    from btc_ai.config import load_config

    here = current(ctx)
    if daemon_listens(here.runtime):
        with here.client() as client:
            status = client.call("daemon.status")
        if status["managed"]:
            raise BtcAiError(
                "systemd runs this daemon: use `systemctl restart btc-ai`, or "
                "`systemctl --user restart btc-ai` where it is your own"
            )
        here = _with_running_config(here, status)
        load_config(here.config_file, **known_names())
        stop_daemon(here)
    pid = start_daemon(here.runtime, here.config_file)
    here.say(f"the daemon runs in the background (process {pid})")


@app.command()
def reload(ctx: typer.Context, as_json: Json = False) -> None:
    """Have the daemon read its configuration again, and say which changes wait for a restart."""
    here = current(ctx)
    with here.client() as client:
        here.compare_config(client, note=False)
        found = client.call("daemon.reload")
    if as_json:
        print_json(found)
        return
    words = {
        "applied": "in force now", "next_job": "in force for jobs that begin from now on",
        "restart": "waits for `btc-ai daemon restart`",
    }  # fmt: skip
    lines = [f"{key}: {words[kind]}" for kind in words for key in found[kind]]
    sys.stdout.write("\n".join(lines or ["nothing has changed"]) + "\n")


@app.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Say whether a daemon runs, with which configuration, and how its plugins are."""
    here = current(ctx)
    with here.client() as client:
        here.compare_config(client)
        found = client.call("daemon.status")
    if as_json:
        print_json(found)
        return
    for line in _describe(found):
        sys.stdout.write(f"{line}\n")


def _describe(found: dict[str, Any]) -> list[str]:
    minutes, seconds = divmod(int(found["uptime_s"]), 60)
    return [
        f"running    process {found['pid']}, version {found['version']}, "
        f"{minutes} min {seconds} s, {found['memory_mb']:g} MB",
        f"config     {found['config_file'] or 'defaults'}",
        f"models     {found['models_dir']}",
        f"candles    {found['data_dir']}",
        f"logs       {found['log_dir']}{_log_words(found['logs'])}",
        *(
            f"plugin     {one['name']} {one['version']}: {one['state']}"
            + (f" ({one['detail']})" if one["detail"] else "")
            for one in found["plugins"]
        ),
        *(_worker_line(one) for one in found["workers"]),
        *([f"update     {news}"] if (news := update_words(found["plugins"])) else []),
    ]


def _log_words(logs: dict[str, Any]) -> str:
    """What there is to say of the logs: they cannot be written, some are lost, levels changed."""
    changed = [f"{part or 'all'}: {one['level']}" for part, one in logs["levels"].items()][1:]
    said = [f"cannot be written: {logs['trouble']}"] if logs["trouble"] else []
    said += [f"{logs['lost']} records lost"] if logs["lost"] else []
    said += [f"levels changed: {', '.join(changed)}"] if changed else []
    return f" ({'; '.join(said)})" if said else ""


def _worker_line(worker: dict[str, Any]) -> str:
    said = f"worker     {worker['name']}: {worker['state']}"
    if worker["pid"]:
        said += f", process {worker['pid']}"
    if worker["state"] == "stalled":
        said += f", silent for {worker['silent_s']:.0f} s"
    return said + (f"; died: {restart_words(worker['deaths'])}" if worker["deaths"] else "")
