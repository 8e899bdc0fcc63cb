"""`btc-ai notify test` and `status`; imported only when it is run."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from btc_ai.api.cli import command_line

app = typer.Typer(no_args_is_help=True, help="Webhooks and e-mail: test them, see what was sent.")
LIMIT_S = 320.0


@app.command()
def test(
    ctx: typer.Context,
    channel: Annotated[str | None, typer.Argument(help="A channel (default: all)")] = None,
) -> None:
    """Send a test message, once, to a channel or to all; exit 1 where one does not take it."""
    here = command_line(ctx)
    results = here.call("notify.test", {"channel": channel}, timeout=LIMIT_S)["channels"]
    for name, reason in results.items():
        if reason is None:
            here.say(f"{name}: sent")
        else:
            typer.echo(f"{name}: not sent: {reason}", err=True)
    if any(reason is not None for reason in results.values()):
        raise typer.Exit(1)


@app.command()
def status(ctx: typer.Context) -> None:
    """Say what each channel has sent since the daemon started, and what not."""
    for name, box in command_line(ctx).call("notify.status")["channels"].items():
        typer.echo(_line(name, box))


def _line(name: str, box: dict[str, Any]) -> str:
    counts = ", ".join(f"{box[key]} {key}" for key in ("sent", "waiting", "failed", "dropped"))
    line = f"{name}: {counts}"
    if box["last_sent"]:
        line += f"; last sent {datetime.fromtimestamp(box['last_sent'], UTC):%Y-%m-%d %H:%M:%S} UTC"
    return line + (f"; last error: {box['last_error']}" if box["last_error"] else "")
