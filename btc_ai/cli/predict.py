"""`btc-ai predict`: what the latest models say of the newest candle, or of another."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.cli.evaluate import Bucket, Interval, Json, Market, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable

    from btc_ai.bus.client import Client

Body = dict[str, Any]

LEASE_S = 30.0
RENEW_S = 10.0
PATIENCE_S = 130.0


def predict(
    ctx: typer.Context,
    bucket: Bucket = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Close of a candle, UTC (default: the newest)"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with each new candle, until Ctrl-C")
    ] = False,
    symbol: Symbol = None,
    interval: Interval = None,
    market: Market = None,
    as_json: Json = False,
) -> None:
    """Say which position each bucket's latest model holds, and what it expects."""
    models = {"bucket": bucket, "symbol": symbol, "interval": interval, "market": market}

    def show(signal: Body) -> None:
        if as_json:
            print_json(signal)
        else:
            from btc_ai.cli.reports import print_signal

            print_signal(signal)
        sys.stdout.flush()

    with current(ctx).connect() as client:
        show(client.call("signal.predict", {**models, "at": at}, timeout=PATIENCE_S))
        if follow:
            raise typer.Exit(_follow(client, models, show))


def _follow(client: "Client", models: Body, show: "Callable[[Body], None]") -> int:
    """Show each new signal and keep asking for them; the exit code when interrupted."""
    feed = client.subscribe("signal")
    asked, market = 0.0, {}
    try:
        for event, _ in feed.events():
            if time.monotonic() - asked > RENEW_S:
                asked = time.monotonic()
                market = client.call("signal.follow", {**models, "seconds": LEASE_S})
            if event is not None and market.items() <= event.body.items():
                show(event.body)
    except KeyboardInterrupt:
        return 130
    return 0
