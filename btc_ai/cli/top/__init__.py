"""`btc-ai top`: the daemon, the machine and the runs on one screen, for those on ssh."""

import sys
from typing import Annotated

import typer

from btc_ai.cli.context import current, print_json


def top(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame and end, as in a pipe")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is known as JSON")] = False,
) -> None:
    """Show the daemon, the machine, runs, alerts and warnings, live; q or Ctrl-C leaves."""
    from btc_ai.cli.top.watching import Watching

    watching = Watching(current(ctx))
    if as_json:
        print_json(watching.read().to_json())
    elif once or not sys.stdout.isatty():
        watching.once()
    else:
        watching.run()
