"""`btc-ai logs level`: from which level on the running daemon logs."""

import sys
import time
from typing import Annotated, Any

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.errors import UsageError
from btc_ai.logs.record import LEVELS

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
DEFAULT = "default"


def level(
    ctx: typer.Context,
    level: Annotated[
        str | None,
        typer.Argument(help=f"{', '.join(LEVELS)}, or {DEFAULT}: as configured; else: show them"),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--for", metavar="NAME", help="A plugin, or another part such as daemon"),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=10080, help="So long; else until a restart")
    ] = None,
    as_json: Json = False,
) -> None:
    """Log from another level on while the daemon runs; workers and plugins follow."""
    with current(ctx).client() as client:
        if level is None:
            if part or minutes:
                raise UsageError("--for and --minutes go with a level: logs level DEBUG --for ...")
            found = client.call("daemon.status")["logs"]
        else:
            body = {"level": _level(level), "part": part, "minutes": minutes}
            found = client.call("daemon.log_level", body)
    if as_json:
        print_json(found["levels"])
        return
    for name, one in found["levels"].items():
        sys.stdout.write(f"{_line(name, one)}\n")


def _level(text: str) -> str | None:
    if text.lower() == DEFAULT:
        return None
    if text.upper() not in LEVELS:
        raise UsageError(f"{text!r} is no level; there are {', '.join(LEVELS)}, and {DEFAULT}")
    return text.upper()


def _line(name: str, one: dict[str, Any]) -> str:
    until = f" until {time.strftime('%H:%M:%S', time.localtime(one['until']))}"
    return f"{name or 'everything'}: {one['level']}{until if one['until'] else ''}"
