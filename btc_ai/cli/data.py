"""`btc-ai data`: candles under DATA_DIR, from files, from exchanges, or made up."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.errors import DataError, UsageError

if TYPE_CHECKING:
    from btc_ai.market.candles import Candles
    from btc_ai.market.checkup import Checkup
    from btc_ai.market.store import CandleInfo, CandleStore

app = typer.Typer(help="Candles: import, download, list, check, sample.", no_args_is_help=True)

WIDE = 96
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Symbol = Annotated[str | None, typer.Option(help="The market, such as BTC/USDT.")]
Interval = Annotated[str | None, typer.Option(help="Length of a bar, such as 5m or 1h.")]


@app.command("import")
def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .parquet, .feather, .csv, .csv.gz or .zip file.")],
    *,
    symbol: Symbol = None,
    interval: Interval = None,
    time_column: Annotated[
        str | None, typer.Option(help="Column of the bars' opening times, where it is unclear.")
    ] = None,
    volume_column: Annotated[
        str | None, typer.Option(help="Column of the volume in base currency.")
    ] = None,
    time_unit: Annotated[str | None, typer.Option(help="Unit of the times: s, ms, us, ns.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace candles that are stored.")
    ] = False,
    json: Json = False,
) -> None:
    """Import candles from a file; what is ambiguous is refused, never guessed."""
    from btc_ai.market import importer

    store = _store(ctx)
    _check_options(symbol or None, interval)
    settings = importer.ImportSettings(symbol, interval, time_column, volume_column, time_unit)
    imported = importer.import_file(store, file, settings, replace)
    _report(
        ctx, store, imported.candles, f"imported {file.name}", notes=list(imported.notes), json=json
    )


@app.command()
def download(
    ctx: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(formats=DATES, help="First bar, UTC; a source gives all it has without."),
    ] = None,
    *,
    exchange: Annotated[
        str | None, typer.Option(help="Exchange, by its name in ccxt (default: binance).")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Instead of an exchange: a source that a plugin adds.")
    ] = None,
    symbol: Annotated[str, typer.Option(help="The market.")] = "BTC/USDT",
    interval: Annotated[str, typer.Option(help="Length of a bar.")] = "5m",
    until: Annotated[
        datetime | None, typer.Option(formats=DATES, help="End, UTC, exclusive; default: now.")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(help="Address of the exchange's API, for a mirror or proxy.")
    ] = None,
    json: Json = False,
) -> None:
    """Download candles from an exchange; run it again to go on, or to add the newest bars."""
    from rich.console import Console
    from rich.progress import Progress

    from btc_ai.market import download as downloader
    from btc_ai.market.importer import error_notes

    store = _store(ctx)
    _check_options(symbol, interval)
    if source is not None and (exchange, api_url) != (None, None):
        raise UsageError("--source is instead of --exchange and --api-url; give one or the others")
    if source is None and since is None:
        raise UsageError("say from when on by --since, such as --since 2023-01-01")
    settings = downloader.DownloadSettings(
        exchange or "binance", symbol, interval, _ms(since), _ms(until), api_url, source
    )
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{symbol} {interval}", total=None)
        candles, new = downloader.download(
            store,
            settings,
            lambda done, expected: bar.update(task, completed=done, total=expected),
        )
    name, notes = source or settings.exchange, error_notes(candles)
    if settings.since is not None and candles.time[0] >= settings.since + candles.step:
        notes.append(f"{name} gave no bars before the first: it has none, or only newer ones")
    done = f"downloaded {new:,} new bars from {name}"
    _report(ctx, store, candles, done, notes=notes, json=json)


@app.command("list")
def list_candles(ctx: typer.Context, json: Json = False) -> None:
    """List the stored candles."""
    store = _store(ctx)
    infos = store.list()
    if json:
        print_json([info.as_dict() for info in infos])
    elif infos:
        _print_table(infos)
    else:
        current(ctx).say(f"no candles in {store.data_dir}: `btc-ai data sample` makes some")


@app.command()
def check(
    ctx: typer.Context,
    symbol: Symbol = None,
    interval: Interval = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop bars that are provably wrong.")
    ] = False,
    json: Json = False,
) -> None:
    """Check stored candles; exit 1 where training could not use them."""
    from btc_ai.market.checkup import check_store

    _check_options(symbol, interval)
    checkups = check_store(_store(ctx), symbol, interval, mend=repair)
    if json:
        print_json([checkup.as_dict() for checkup in checkups])
    else:
        for checkup in checkups:
            _print_checkup(checkup, repair)
    if not all(checkup.ok for checkup in checkups):
        raise typer.Exit(1)


@app.command()
def sample(
    ctx: typer.Context,
    bars: Annotated[
        int, typer.Option(min=1_000, max=2_000_000, help="Number of 5-minute bars.")
    ] = 120_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another market.")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace another sample market.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the synthetic sample market, in which a weak signal is planted."""
    from btc_ai.market.sample import sample_market, save_sample

    store = _store(ctx)
    candles = sample_market(bars, seed)
    save_sample(store, candles, replace=replace)
    _report(ctx, store, candles, "made the sample market", notes=[], json=json)


def _store(ctx: typer.Context) -> "CandleStore":
    from btc_ai.market.store import CandleStore

    return CandleStore(current(ctx).config().DATA_DIR)


def _check_options(symbol: str | None, interval: str | None) -> None:
    """Refuse a symbol or an interval of no known form. Raises UsageError."""
    from btc_ai.market.candles import check_symbol, interval_ms

    try:
        if symbol is not None:
            check_symbol(symbol)
        if interval is not None:
            interval_ms(interval)
    except DataError as error:
        raise UsageError(str(error)) from None


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1_000)


def _report(
    ctx: typer.Context,
    store: "CandleStore",
    candles: "Candles",
    done: str,
    *,
    notes: list[str],
    json: bool,
) -> None:
    from btc_ai.market.candles import iso

    path = store.path(candles.symbol, candles.interval)
    about: dict[str, Any] = {
        "path": str(path),
        "symbol": candles.symbol,
        "interval": candles.interval,
        "bars": len(candles),
        "first": iso(candles.time[0]),
        "last": iso(candles.time[-1]),
        "source": candles.source,
        "synthetic": candles.synthetic,
        "sha256": candles.sha256,
        "notes": notes,
    }
    if json:
        print_json(about)
        return
    label = " (synthetic)" if candles.synthetic else ""
    current(ctx).say(
        f"{done}: {about['bars']:,} bars of {candles.symbol}{label} {candles.interval}, "
        f"{about['first']} to {about['last']} UTC, in {path}"
    )
    for note in notes:
        sys.stderr.write(f"note: {note}\n")


def _print_table(infos: "tuple[CandleInfo, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    moment = 16 if console.width >= WIDE else 10  # to the minute, else to the day
    table = Table(box=None, pad_edge=False)
    table.add_column("market", min_width=12)
    for heading in ("interval", "bars", "first (UTC)", "last (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("source", overflow="fold")
    for info in infos:
        label = f"{info.symbol} (synthetic)" if info.synthetic else info.symbol
        first, last = info.first[:moment], info.last[:moment]
        if not info.error:
            table.add_row(label, info.interval, f"{info.bars:,}", first, last, info.source)
    if table.rows:
        console.print(table)
    for info in infos:
        if info.error:
            console.print(f"{info.path.name}: {info.error}", markup=False, soft_wrap=True)


def _print_checkup(checkup: "Checkup", repair: bool) -> None:
    lines = [checkup.unreadable or ""] if checkup.report is None else []
    if checkup.report is not None:
        report = checkup.report
        name = f"{report.symbol}{' (synthetic)' if report.synthetic else ''} {report.interval}"
        kinds = ", ".join(finding.kind for finding in report.errors)
        verdict = f"cannot be used ({kinds})" if kinds else "sound"
        lines.append(f"{name}: {report.bars:,} bars, {verdict}")
        dropped = [f"{count} {kind}" for kind, count in checkup.dropped.items()]
        if repair and not dropped and any(one.repairable for one in report.findings):
            lines.append("  not repaired: no bar would be left; import other candles instead")
        elif repair:
            lines.append(f"  repaired: dropped {', '.join(dropped) or 'nothing'}")
        lines += [f"  {finding.severity}: {finding}" for finding in report.findings]
    sys.stdout.write("\n".join(lines) + "\n")
