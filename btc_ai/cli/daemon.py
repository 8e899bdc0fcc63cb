"""`btc-ai daemon`: run, start, stop, restart, reload and status; and the start on demand."""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json, restart_words, update_words
from btc_ai.errors import BtcAiError
from btc_ai.paths import SYSTEM_CONFIG, SYSTEM_UNIT, lock_file

if TYPE_CHECKING:
    from btc_ai.bus.client import Client

app = typer.Typer(
    no_args_is_help=True, help="The daemon: run, start, stop, restart, reload, status."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
STOP_LIMIT_S = 75.0


def _command(here: Globals) -> list[str]:
    config = here.config_file
    return [
        sys.executable, "-P", "-m", "btc_ai.daemon", *(["--config", str(config)] if config else []),
    ]  # fmt: skip


def listens(here: Globals) -> bool:
    """Whether a daemon listens."""
    from btc_ai.bus.client import daemon_listens

    return daemon_listens(here.runtime)


def start_daemon(here: Globals) -> int:
    """Start a daemon in the background; return its process id. Raises BtcAiError with why not.

    A release on trial that does not start is given up, which is said on stderr.
    """
    from btc_ai.updates.restarting import start_on_trial

    if here.config_file == SYSTEM_CONFIG and SYSTEM_UNIT.exists():
        raise BtcAiError(
            f"{SYSTEM_CONFIG} is the service's, whose folders only its own user may write to; "
            "start the service with `systemctl start btc-ai`"
        )
    tried = start_on_trial(here.runtime, here.config_file)
    if tried is None:
        return _start(here)
    if tried:
        sys.stderr.write(f"btc-ai: {tried}\n")
    return int(lock_file(here.runtime).read_text())


def _start(here: Globals) -> int:
    from btc_ai.updates.restarting import START_LIMIT_S

    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors, os.fdopen(reading, "rb") as pipe:
        process = subprocess.Popen(
            [*_command(here), "--ready-fd", str(writing)],
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env=os.environ | {"BTC_AI_RUNTIME_DIR": str(here.runtime)},
            cwd="/",
        )
        os.close(writing)
        if not select.select([pipe], [], [], START_LIMIT_S)[0]:
            process.kill()
            process.wait()
            raise BtcAiError(f"the daemon was not ready within {START_LIMIT_S:g} s, and was ended")
        if (answer := pipe.read().decode(errors="replace")) == "READY":
            return process.pid
        errors.seek(0)
        reason = answer or errors.read().decode(errors="replace").strip()[-2000:]
    raise BtcAiError(f"the daemon did not start: {reason or 'it ended without a word'}")


def connect(here: Globals, check: Callable[[], None] = lambda: None) -> "Client":
    """A client; where no daemon runs on this machine, start one on demand and say so.

    check: raises what speaks against starting one.
    """
    from btc_ai.bus.client import NoDaemonError

    try:
        client = here.client()
    except NoDaemonError:
        if not here.autostart or here.host is not None:
            raise
        check()
        pid = start_daemon(here)
        sys.stderr.write(
            f"started a daemon in the background (process {pid}); "
            "`btc-ai daemon stop` ends it\n"
        )  # fmt: skip
        return here.client()
    _refuse_other_config(here, client)
    return client


def _refuse_other_config(here: Globals, client: "Client") -> None:
    named = here.config_option is not None or "BTC_AI_CONFIG" in os.environ
    if here.host is not None or not named:
        return
    used = client.call("daemon.status")["config_file"]
    if used is not None and Path(used) == here.config_file:
        return
    raise BtcAiError(
        f"the daemon at {here.runtime} runs with {used or 'the default configuration'}, not with "
        f"{here.config_file}; stop it with `btc-ai daemon stop`, or give this one a runtime "
        "folder of its own in BTC_AI_RUNTIME_DIR"
    )


@app.command()
def run(ctx: typer.Context) -> None:
    """Run the daemon in the foreground, logging to the terminal."""
    command = _command(current(ctx))
    os.execv(command[0], command)


@app.command()
def start(ctx: typer.Context) -> None:
    """Start the daemon in the background; unfinished runs go on."""
    here = current(ctx)
    if listens(here):
        raise BtcAiError(f"a daemon is already running at {here.runtime}; `btc-ai daemon status`")
    pid = start_daemon(here)
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
    from btc_ai.config import load_config

    here = current(ctx)
    if listens(here):
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
    pid = start_daemon(here)
    here.say(f"the daemon runs in the background (process {pid})")


@app.command()
def reload(ctx: typer.Context, as_json: Json = False) -> None:
    """Have the daemon read its configuration again, and say which changes wait for a restart."""
    here = current(ctx)
    with here.client() as client:
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
