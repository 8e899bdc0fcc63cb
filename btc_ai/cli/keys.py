"""`btc-ai keys`: who may reach the daemon over TCP."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.errors import BtcAiError, UsageError

if TYPE_CHECKING:
    from btc_ai.bus.keys import Keys
    from btc_ai.config import Remote

app = typer.Typer(
    no_args_is_help=True, help="Who may reach the daemon over TCP: new, list, revoke."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The client's name")]
_EVERYWHERE = ("0.0.0.0", "::", "*")


class RoleName(StrEnum):
    """`btc_ai.api.service.Role`, as Typer takes it."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@app.command()
def new(
    ctx: typer.Context,
    name: Name,
    role: Annotated[
        RoleName, typer.Option(help="viewer reads and watches, operator may do everything")
    ],
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Where the client finds the daemon (default: ADDRESS)"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it (default: NAME.json)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key for a client, and write the file that it needs; keep that file secret."""
    from btc_ai.bus.address import Host
    from btc_ai.bus.keys import write_private

    here = current(ctx)
    remote, keys = here.config().REMOTE, _keys(here)
    reached = address or _reached(remote)
    file = (output or Path(f"{name}.json")).expanduser().absolute()
    if file.exists():
        raise BtcAiError(f"{file} is there already; name another with --output")
    if not file.parent.is_dir():
        raise BtcAiError(f"there is no folder {file.parent}; make it, or name another file")
    key, secret = keys.add(name, role.value)
    ports = remote.COMMAND_PORT, remote.EVENT_PORT
    try:
        host = Host(name, reached, *ports, keys.server()[0], key.public, secret)
        write_private(file, json.dumps(asdict(host), indent=4) + "\n")
    except BtcAiError:
        keys.forget(name)
        raise
    told = _tell(here, keys)
    if as_json:
        print_json({**_row(asdict(key)), "file": str(file)})
        return
    here.say(
        f"wrote {file}; copy it to ~/.config/btc-ai/hosts/ there, mode 600: "
        f"`btc-ai --host {file.stem} status`"
    )
    if not remote.ENABLED:
        here.say("the daemon does not listen on TCP yet: set REMOTE.ENABLED, then restart it")
    elif not told:
        here.say("no daemon runs here yet; it lets the key in once it does")


def _reached(remote: "Remote") -> str:
    if remote.ADDRESS in _EVERYWHERE:
        raise UsageError(
            f"the daemon listens at {remote.ADDRESS}; say with --address where clients find it"
        )
    return remote.ADDRESS


@app.command("list")
def list_keys(ctx: typer.Context, as_json: Json = False) -> None:
    """List the clients' keys, valid or revoked."""
    clients, wrong = _keys(current(ctx)).clients()
    rows = [_row(asdict(one)) for one in clients]
    for text in wrong:
        sys.stderr.write(f"btc-ai: {text}\n")
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "role", "created", "revoked"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["name"], row["role"], row["created"], row["revoked"] or "–")
    Console(highlight=False).print(table)


@app.command()
def revoke(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Shut a client out, at once; its name stays in the list."""
    here = current(ctx)
    keys = _keys(here)
    key = keys.revoke(name)
    told = _tell(here, keys)
    if as_json:
        print_json(_row(asdict(key)))
    else:
        here.say(f"{name} is revoked" + (", and shut out" if told else ""))


def _row(key: dict[str, Any]) -> dict[str, Any]:
    return {"name": key.pop("name"), "public_key": key.pop("public"), **key}


def _keys(here: Globals) -> "Keys":
    from btc_ai.bus.keys import Keys

    return Keys(here.config().KEYS_DIR)


def _tell(here: Globals, keys: "Keys") -> bool:
    """Have the running daemon read its keys again; whether it has a TCP door that did.

    Raises BtcAiError where a daemon runs that does not do so.
    """
    client = here.client_if_any()
    if client is None:
        return False
    with client:
        answer = client.call("daemon.keys")
    if Path(answer["folder"]) != keys.folder:
        raise BtcAiError(
            f"done in {keys.folder}, but the daemon that runs uses {answer['folder']}; name its "
            "configuration with --config"
        )
    return bool(answer["remote"])
