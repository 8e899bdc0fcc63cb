"""`btc-ai service`: install, uninstall and status of the systemd service."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_ai.cli import units
from btc_ai.cli.context import Globals, current, print_json
from btc_ai.cli.units import SYSTEM_DATA, SYSTEM_LOGS, Manager
from btc_ai.errors import BtcAiError
from btc_ai.paths import SYSTEM_CONFIG, SYSTEM_UNIT, user_data

app = typer.Typer(no_args_is_help=True, help="The systemd service: install, uninstall, status.")

UNIT = SYSTEM_UNIT.name
User = Annotated[
    bool, typer.Option("--user", help="A service of this user, rather than the machine's")
]
_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "FragmentPath", "NRestarts",
    "ActiveEnterTimestamp", "MainPID", "StatusText", "Result",
)  # fmt: skip


@app.command()
def install(
    ctx: typer.Context,
    user: User = False,
    prefix: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Environment whose bin/ it runs (default: this one)"),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Enable it and start it too")] = False,
) -> None:
    """Write the unit for the installed release, and what it needs; again is no harm."""
    here, manager = current(ctx), Manager(user)
    manager.check()
    manager.check_rights()
    release = units.release_prefix() if prefix is None else prefix.expanduser().absolute()
    units.check_release(release, user=user)
    written = [path for path, text in manager.files(release).items() if units.write(path, text)]
    if not user:
        written += _prepare_system()
    for path in written:
        here.say(f"wrote {path}")
    manager.systemctl("daemon-reload")
    manager.enable_updaters()
    if now:
        manager.systemctl("enable", "--now", UNIT)
    _say_what_next(here, manager, changed=manager.unit in written, now=now)


def _prepare_system() -> list[Path]:
    """Make the service's user, configuration and folders."""
    units.run("systemd-sysusers", "/etc/sysusers.d/btc-ai.conf")
    new = not SYSTEM_CONFIG.exists() and units.write(SYSTEM_CONFIG, units.default_system_config())
    units.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/btc-ai.conf")
    return [SYSTEM_CONFIG] if new else []


def _say_what_next(here: Globals, manager: Manager, *, changed: bool, now: bool) -> None:
    systemctl = "systemctl --user" if manager.user else "systemctl"
    if now:
        here.say("the service is enabled and runs")
    elif _show(manager)["ActiveState"] == "active":
        if changed:
            here.say(f"it runs as before; `{systemctl} restart btc-ai` makes it use the new unit")
    else:
        here.say(f"enable and start it with `{systemctl} enable --now btc-ai`")
    if manager.user:
        here.say("`loginctl enable-linger` keeps it running while you are logged out")
    else:
        here.say("let a user use it with `usermod -aG btc-ai NAME`; they log in anew for it")


@app.command()
def uninstall(ctx: typer.Context, user: User = False) -> None:
    """Stop the service and remove what `install` wrote; models, candles and logs stay."""
    here, manager = current(ctx), Manager(user)
    manager.check()
    manager.check_rights()
    if manager.stop_installation():
        here.say("stopped an installation that was under way; `btc-ai update status` tells of it")
    manager.disable_updaters()
    if manager.unit.exists():
        manager.systemctl("disable", "--now", UNIT)
    paths = [*manager.files(units.release_prefix()), manager.gpu, manager.slots]
    paths += manager.updaters
    if not user and units.has_default_config():
        paths.append(SYSTEM_CONFIG)
    removed = [path for path in dict.fromkeys(paths) if _remove(path)]
    manager.systemctl("daemon-reload")
    for path in removed:
        here.say(f"removed {path}")
    if not removed:
        here.say("the service is not installed")
    kept = [user_data()] if user else [SYSTEM_CONFIG, SYSTEM_DATA, SYSTEM_LOGS]
    if there := [str(path) for path in kept if path.exists()]:
        here.say(f"kept {', '.join(there)}")


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise BtcAiError(f"cannot remove {path}: {error.strerror}") from None
    if "btc-ai" in path.parent.name:
        with suppress(OSError):  # others have put something there
            path.parent.rmdir()
    return True


@app.command()
def status(
    ctx: typer.Context,
    user: User = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Say whether the service is installed, enabled and active, and how often it was restarted."""
    manager = Manager(user)
    manager.check()
    found = _view(_show(manager))
    if as_json:
        print_json(found)
        return
    for line in _describe(found, user):
        sys.stdout.write(f"{line}\n")


def _show(manager: Manager) -> dict[str, str]:
    text = manager.systemctl("show", f"--property={','.join(_PROPERTIES)}", UNIT)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _view(shown: dict[str, str]) -> dict[str, Any]:
    active = shown["ActiveState"] in ("active", "reloading")
    return {
        "installed": shown["LoadState"] not in ("not-found", "masked"),
        "enabled": shown["UnitFileState"] == "enabled",
        "active": active,
        "state": f"{shown['ActiveState']} ({shown['SubState']})",
        "unit": shown["FragmentPath"] or None,
        "since": shown["ActiveEnterTimestamp"] or None if active else None,
        "pid": int(shown["MainPID"]) or None,
        "restarts": int(shown["NRestarts"]),
        "result": shown["Result"],
        "says": shown["StatusText"] or None,
    }


def _describe(found: dict[str, Any], user: bool) -> list[str]:
    option = " --user" if user else ""
    if not found["installed"]:
        return [f"the service is not installed; `btc-ai service install{option}` does it"]
    state = found["state"] + (f", {found['result']}" if found["result"] != "success" else "")
    if found["active"]:
        state += f" since {found['since']}, process {found['pid']}"
    lines = [
        f"unit       {found['unit']}, {'enabled' if found['enabled'] else 'not enabled'}",
        f"state      {state}",
        f"restarts   {found['restarts']}",
    ]
    if not found["active"]:
        lines.append(f"log        journalctl{option} -u btc-ai")
    return lines + ([f"says       {found['says']}"] if found["says"] else [])
