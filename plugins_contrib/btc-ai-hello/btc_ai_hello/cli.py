"""`btc-ai hello [NAME]`; imported only when it is run."""

from typing import Annotated

import typer

from btc_ai.api.cli import command_line

app = typer.Typer(help="Say hello (a plugin's command).")


@app.command()
def hello(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whom to greet")] = "world",
) -> None:
    """Ask the daemon's plugin for a greeting, and print it."""
    typer.echo(command_line(ctx).call("hello.say", {"name": name})["text"])
