"""`btc-ai evaluate`, `audit` and `test-pipeline`: what models are worth; whether to trust it."""

from typing import Annotated

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.cli.jobs import run_job

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Bucket = Annotated[str | None, typer.Option(help="One bucket (default: all)")]
Symbol = Annotated[str | None, typer.Option(help="Market, e.g. BTC/USDT")]
Interval = Annotated[str | None, typer.Option(help="Candle interval, e.g. 5m")]
Market = Annotated[
    str | None, typer.Option(help="A built-in market instead of candles: sample")
]  # fmt: skip


def evaluate(
    ctx: typer.Context,
    bucket: Bucket = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="First day, UTC (default: the held-out part)"),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="End, exclusive")] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, max=50, help="Train anew on so many walk-forward folds")
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="With --folds: episodes a fold")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="With --folds: seed of the training")
    ] = None,
    symbol: Symbol = None,
    interval: Interval = None,
    market: Market = None,
    as_json: Json = False,
) -> None:
    """Say what the latest models are worth on candles they have not seen, honestly."""
    body = {
        "bucket": bucket, "start": start, "end": end, "folds": folds, "episodes": episodes,
        "seed": seed, "symbol": symbol, "interval": interval, "market": market,
    }  # fmt: skip
    job = run_job(current(ctx), "evaluation.evaluate", body)
    if as_json:
        print_json(job)
        return
    from btc_ai.cli.reports import print_evaluation

    print_evaluation(job)


def audit(
    ctx: typer.Context,
    bucket: Bucket = None,
    symbol: Symbol = None,
    interval: Interval = None,
    market: Market = None,
    as_json: Json = False,
) -> None:
    """Look for leaks of the future in features, scaling, timing and serving; exit 1 for one."""
    body = {"bucket": bucket, "symbol": symbol, "interval": interval, "market": market}
    job = run_job(current(ctx), "evaluation.audit", body)
    if as_json:
        print_json(job)
    else:
        from btc_ai.cli.reports import print_audit

        print_audit(job)
    _fail_unless(all(part["result"]["passed"] for part in job["parts"]))


def test_pipeline(
    ctx: typer.Context,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes a training")] = 20,
    sequence: Annotated[
        str | None, typer.Option(metavar="A B C | A,B,C", help="Buckets (default: all)")
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=50, help="Trainings a market and bucket")] = 5,
    markets: Annotated[
        str | None, typer.Option(metavar="G1,G2", help="Known markets (default: all)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on markets whose optimum is known, look for leaks; exit 1 below the bar."""
    body = {
        "episodes": episodes, "seeds": seeds,
        "sequence": _names(sequence), "markets": _names(markets),
    }  # fmt: skip
    job = run_job(current(ctx), "evaluation.pipeline", body)
    if as_json:
        print_json(job)
    else:
        from btc_ai.cli.reports import print_pipeline

        print_pipeline(job)
    _fail_unless(all(part["result"]["passed"] for part in job["parts"]))


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name for name in text.split(",") if name]


def _fail_unless(passed: bool) -> None:
    if not passed:
        raise typer.Exit(1)
