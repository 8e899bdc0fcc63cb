"""`btc-ai freqtrade export` and `strategy`; imported only when it is run."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_ai.api.cli import command_line
from btc_ai.api.errors import BtcAiError, UsageError

app = typer.Typer(
    no_args_is_help=True, help="Signals for freqtrade: export them, write a strategy."
)
LIMIT_S = 620.0
STRATEGY = '''"""Follows BTC-AI's signals; the settings are in the section btc_ai of config.json."""

from btc_ai_freqtrade.strategy import BtcAiStrategy


class BtcAi(BtcAiStrategy):
    timeframe = "{timeframe}"
'''


@app.command()
def export(
    ctx: typer.Context,
    bucket: Annotated[str, typer.Option(metavar="BUCKET", help="Whose latest model")],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="First candle, UTC (default: held-out part)"),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End, UTC (default: last candle)")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write")] = None,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Take candles the model was trained on, too")
    ] = False,
    symbol: Annotated[str | None, typer.Option(help="Market (default: the model's)")] = None,
    interval: Annotated[str | None, typer.Option(help="Interval (default: the model's)")] = None,
) -> None:
    """Write what a bucket's latest model would have held, candle by candle, for backtesting.

    Candles that the model was trained or chosen on are refused: what it earns there says nothing.
    """
    here = command_line(ctx)
    asked = {
        "bucket": bucket, "start": start, "end": end, "in_sample": in_sample,
        "symbol": symbol, "interval": interval,
    }  # fmt: skip
    made = here.call("signal.history", asked, timeout=LIMIT_S)
    path = output or Path(f"btc-ai-{bucket}-{made['weights_sha256'][:8]}.parquet")
    _copy(made, path)
    for line in _describe(made, path):
        here.say(line)
    if made["in_sample"]:
        typer.echo(
            "these signals are IN SAMPLE: the model has seen these candles, and what a backtest "
            "earns on them is no evidence of anything",
            err=True,
        )


def _copy(made: dict[str, Any], path: Path) -> None:
    try:
        content = Path(made["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != made["sha256"]:
            raise BtcAiError(f"{made['file']} has changed while it was read; try again")
        path.write_bytes(content)
    except OSError as error:
        raise BtcAiError(f"{error.filename} cannot be copied: {error.strerror}") from None


def _describe(made: dict[str, Any], path: Path) -> list[str]:
    seen = [each for kind in made["seen"].values() for each in kind]
    first, last = min(one[0] for one in seen), max(one[1] for one in seen)
    return [
        f"{path}: {made['rows']:,} signals for {made['symbol']} {made['interval']}"
        + (" (synthetic)" if made["synthetic"] else ""),
        f"candles    {_moment(made['first'])} to {_moment(made['last'])} (closes)",
        f"model      {made['bucket']} {made['model']}, weights {made['weights_sha256'][:12]}"
        + (", which abstains: it stays flat" if made["abstains"] else ""),
        f"trained    on candles from {_moment(first)} to {_moment(last)}",
    ]


def _moment(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}"


@app.command()
def strategy(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option(metavar="FILE", help="File to write")] = Path("BtcAi.py"),
    timeframe: Annotated[str, typer.Option(help="Interval of the models")] = "5m",
) -> None:
    """Write a strategy for freqtrade's user_data/strategies."""
    if output.exists():
        raise UsageError(f"{output} is there already; name another with --output")
    try:
        output.write_text(STRATEGY.format(timeframe=timeframe), encoding="utf-8")
    except OSError as error:
        raise BtcAiError(f"{output} cannot be written: {error.strerror}") from None
    command_line(ctx).say(f"wrote {output}; freqtrade finds it as --strategy BtcAi")
