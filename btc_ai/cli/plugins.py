"""`btc-ai plugins`: list, info, enable, disable, call and new."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.errors import BtcAiError, ConfigError, UsageError

app = typer.Typer(no_args_is_help=True, help="Plugins: list, info, enable, disable, call, new.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(help="The plugin's name")]
CHECK_LIMIT_S = 60
CALL_LIMIT_S = 60.0
SWITCH_LIMIT_S = 80.0
"""More than the daemon's own limit (`btc_ai.daemon.commands.ENABLE_LIMIT_S`), which says more."""


@app.command("list")
def list_plugins(ctx: typer.Context, as_json: Json = False) -> None:
    """List the installed plugins and how they are."""
    rows = _rows(current(ctx))
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("plugin", "version", "state", "runs in", "what it does"):
        table.add_column(name)
    for row in rows:
        where = {"process": f"process {row['pid'] or '–'}"}.get(row["isolation"], row["isolation"])
        table.add_row(row["name"], row["version"], row["state"], where, row["description"])
    Console(highlight=False).print(table)
    for row in rows:
        if row["detail"]:
            sys.stdout.write(f"{row['name']}: {row['detail']}\n")


def _rows(here: Globals) -> list[dict[str, Any]]:
    """Every plugin; without a daemon, what its manifest says."""
    from btc_ai.api.discovery import discover

    client, running = here.client_if_any(), {}
    if client is not None:
        with client:
            running = {one["name"]: one for one in client.call("daemon.status")["plugins"]}
    rows = []
    for found in discover():
        manifest = found.manifest
        unknown: dict[str, Any] = {
            "name": found.name, "version": manifest.version if manifest else "?",
            "state": "refused" if found.problem else ("not running", "not loaded")[bool(running)],
            "detail": found.problem or "", "isolation": "–", "pid": None, "deaths": {},
        }  # fmt: skip
        about = manifest.description if manifest else ""
        rows.append({**unknown, **running.pop(found.name, {}), "description": about})
    return rows + [{**one, "description": "no longer installed"} for one in running.values()]


@app.command()
def info(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show all that a plugin declares: commands, events, settings, permissions, and its state."""
    here = current(ctx)
    with here.client() as client:
        found = client.call("daemon.plugin", {"plugin": name})
    if as_json:
        print_json(found)
        return
    for line in _describe(found):
        sys.stdout.write(f"{line}\n")


def _describe(found: dict[str, Any]) -> list[str]:
    manifest = found["manifest"] or {}
    allowed = manifest.get("permissions", {})
    lines = [
        f"{found['name']} {found['version']}: {manifest.get('description', '')}",
        f"state        {found['state']}" + (f" ({found['detail']})" if found["detail"] else ""),
        f"runs in      {found['isolation']}" + (f" {found['pid']}" if found["pid"] else ""),
        *(f"died         {count} × {cause}" for cause, count in found["deaths"].items()),
        *(f"status       {key}: {json.dumps(value)[:200]}"
          for key, value in found["status"].items()),
        *(f"command      {one['kind']} ({one['role']}){_fields(one['schema'])}"
          for one in found.get("commands", ())),
        *(f"event        {one['kind']}{_fields(one['schema'])}" for one in found.get("events", ())),
        *(f"panel        {one['title']} ({one['command']})" for one in found.get("panels", ())),
        *(f"{what:<12} {name}" for what in ("features", "learners", "markets", "executors", "cli")
          for name in manifest.get(what, ())),
        *(f"may send     {kind}" for kind in allowed.get("commands", ())),
        *(f"may publish  {kind}" for kind in allowed.get("events", ())),
    ]  # fmt: skip
    if found.get("settings"):
        lines.append(f"settings    {_fields(found['settings'])}")
    return lines


def _fields(schema: dict[str, Any]) -> str:
    """The names of a model's fields, those that must be given first and marked."""
    needed = schema.get("required", [])
    names = [f"{name}!" if name in needed else name for name in schema.get("properties", {})]
    return f"  {', '.join(names)}" if names else ""


@app.command()
def enable(ctx: typer.Context, name: Name) -> None:
    """Enable a plugin and start it; one that failed is started anew."""
    _switch(current(ctx), name, enabled=True)


@app.command()
def disable(ctx: typer.Context, name: Name) -> None:
    """Disable a plugin and stop it; it stays disabled when the daemon starts again."""
    _switch(current(ctx), name, enabled=False)


def _switch(here: Globals, name: str, *, enabled: bool) -> None:
    from btc_ai.api.discovery import discover
    from btc_ai.config.edit import set_plugin
    from btc_ai.paths import user_config

    known = [found.name for found in discover()]
    if name not in known:
        raise UsageError(f"there is no plugin {name!r}; installed are {', '.join(known)}")
    here.config()
    path = here.config_file or user_config()
    set_plugin(path, name, enabled=enabled)
    word = "enabled" if enabled else "disabled"
    client = here.client_if_any()
    if client is None:
        here.say(f"{name} is {word} in {path}; no daemon runs")
        return
    with client:
        used = client.call("daemon.status")["config_file"]
        if used is not None and Path(used) != path:
            raise BtcAiError(
                f"{word} in {path}, but the daemon runs with {used}; name that with --config"
            )
        kind = "daemon.enable" if enabled else "daemon.disable"
        found = client.call(kind, {"plugin": name}, timeout=SWITCH_LIMIT_S)
    if enabled and found["state"] not in ("ready", "idle", "starting"):
        raise BtcAiError(f"{name} is enabled, but {found['state']}: {found['detail']}")
    here.say(f"{name} is {word} in {path}; it is {found['state']}")


@app.command()
def call(
    ctx: typer.Context,
    command: Annotated[str, typer.Argument(help="Command, such as hello.say")],
    fields: Annotated[
        list[str] | None, typer.Argument(help="Fields of its body: name=value")
    ] = None,
    body: Annotated[str | None, typer.Option("--body", help="The body as JSON")] = None,
) -> None:
    """Send a plugin a command and print its result as JSON; a value is JSON, or else text."""
    print_json(current(ctx).call(command, _body(fields or [], body), timeout=CALL_LIMIT_S))


def _body(fields: list[str], body: str | None) -> dict[str, Any]:
    try:
        made = json.loads(body) if body is not None else {}
    except ValueError as error:
        raise UsageError(f"--body is not JSON: {error}") from None
    if not isinstance(made, dict):
        raise UsageError('--body must be a JSON object such as {"name": "Ada"}')
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise UsageError(f"{field!r} is no field; write name=value")
        made[name] = _value(value)
    return made


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The plugin's name, such as sunspots")],
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder to write (default: btc-ai-NAME)")
    ] = None,
) -> None:
    """Write a plugin package to begin with; its own tests pass."""
    from btc_ai.cli.scaffold import write_plugin

    here = current(ctx)
    folder = output or Path(f"btc-ai-{name.replace('_', '-')}")
    write_plugin(name, folder)
    here.say(f"wrote {folder}; next: cd {folder} && pip install -e '.[dev]' && python -m pytest")


def settings_errors(config: Any) -> list[str]:
    """What is wrong with SETTINGS of PLUGINS, as each plugin's own model says."""
    from btc_ai.api.discovery import discover

    usable = {found.name for found in discover() if not found.problem}
    wrong = []
    for name, section in config.PLUGINS.items():
        if name not in usable:
            wrong.append(f"PLUGINS.{name}: no usable plugin of that name is installed")
        elif section.ENABLED:
            wrong += _check_settings(name, section.SETTINGS)
    return wrong


def _check_settings(name: str, settings: dict[str, Any]) -> list[str]:
    """Ask the plugin's model, in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "btc_ai.daemon.hosting.child", name, "--check-settings"],
            input=json.dumps(settings), capture_output=True, text=True, check=False,
            timeout=CHECK_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [f"PLUGINS.{name}: the plugin does not load within {CHECK_LIMIT_S} s"]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return [f"PLUGINS.{name}: the plugin cannot be loaded: {last}"]
    return done.stdout.splitlines()


def require_settings(config: Any) -> None:
    """Raise ConfigError where a plugin's settings are wrong."""
    if wrong := settings_errors(config):
        raise ConfigError("\n  ".join([f"plugins have {len(wrong)} to mend:", *wrong]))
