"""What `btc-ai evaluate`, `audit`, `test-pipeline` and `predict` print."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from btc_ai.cli.tables import fitted, instant, number

Body = dict[str, Any]

POLICY_COLUMNS = ("policy", "bps/bar", "95 %", "return", "Sharpe", "max dd", "pf", "trades")
POLICY_COLUMNS_LEFT_OUT_FIRST = ("max dd", "pf", "Sharpe")
POLICY_NAMES = {"buy_and_hold": "hold"}


def print_evaluation(job: Body) -> None:
    """One table a bucket: the model, the baselines, the cost curve, the verdict."""
    console = _console()
    for part in job["parts"]:
        report = part["result"]
        console.print(
            fitted(
                partial(_policies, report),
                POLICY_COLUMNS,
                POLICY_COLUMNS_LEFT_OUT_FIRST,
                console.width,
            )
        )
        if report["policies"]["model"]["evaluation"]["trades"]:
            console.print(_costs(report), markup=False)
        for fold in report["folds"]:
            console.print(_fold(fold), markup=False)
        seen = report["seen"]
        if seen["trained"] or seen["chosen"]:
            console.print(
                f"  trained on {seen['trained']:,} of these {report['bars']:,} bars, chosen on "
                f"{seen['chosen']:,}: no test of what it does on new ones",
                markup=False,
            )
        selection = report["selection"]
        console.print(
            f"  {selection['trials']} trials on {report['symbol']}; "
            f"DSR {number(selection['deflated_sharpe'], '.3f')}, "
            f"PBO {number(selection['overfitting'], '.2f')}",
            markup=False,
        )
        for note in report["notes"]:
            console.print(f"  note: {note}", markup=False)
        console.print(f"  {report['verdict']}\n", markup=False)


def _policies(report: Body, shown: Sequence[str]) -> Table:
    synthetic = " (synthetic)" if report["synthetic"] else ""
    market = f"{report['symbol']} {report['interval']}{synthetic}"
    table = _table(
        f"{report['bucket']} on {market}, {instant(report['start'])} to {instant(report['end'])} "
        f"UTC, {report['cost_bps']:g} bps a side"
    )
    for column in shown:
        table.add_column(column, justify="left" if column == "policy" else "right", no_wrap=True)
    for name, policy in report["policies"].items():
        own, around = policy["evaluation"], policy["intervals"]["net_bps_per_bar"]
        cells = {
            "policy": POLICY_NAMES.get(name, name),
            "bps/bar": number(own["net_bps_per_bar"], "+.3f"),
            "95 %": _interval(around, "+.2f"),
            "return": number(own["total_return"], "+.1%"),
            "Sharpe": number(own["sharpe"], ".1f"),
            "max dd": number(own["max_drawdown"], ".1%"),
            "pf": number(own["profit_factor"], ".2f"),
            "trades": number(own["trades"], ",d"),
        }
        table.add_row(*(cells[column] for column in shown))
    return table


def _interval(interval: Body | None, form: str) -> str:
    if interval is None:
        return "–"
    return f"{number(interval['low'], form)} … {number(interval['high'], form)}"


def _costs(report: Body) -> str:
    model = report["policies"]["model"]
    points = ", ".join(
        f"{point['cost_bps']:g}: {point['net_bps_per_bar']:+.3f}" for point in model["costs"]
    )
    return (
        f"  net bps/bar at a cost a side of {points}; "
        f"breaks even at {number(model['break_even_bps'], '.1f')} bps"
    )


def _fold(fold: Body) -> str:
    start, end = fold["parts"]["test"]
    own = fold["evaluation"]
    return (
        f"  fold {fold['fold']}: tested {instant(start)} to {instant(end)}: "
        f"{own['net_bps_per_bar']:+.4f} bps a bar, {own['trades']:,} trades"
    )


def print_audit(job: Body) -> None:
    """Each check of each bucket, and what it found."""
    console = _console()
    for part in job["parts"]:
        _print_checks(console, part["result"])


def _print_checks(console: Console, report: Body) -> None:
    console.print(
        f"{report['bucket']} on {report['symbol']} {report['interval']}, {report['bars']:,} bars: "
        f"{', '.join(report['features'])}",
        markup=False,
    )
    for check in report["checks"]:
        verdict = "passed" if check["passed"] else "LEAK"
        console.print(f"  {verdict:6}  {check['name']}: {check['looked_at']}", markup=False)
        for found in check["findings"]:
            where = f" at {found['time']}" if found["time"] else ""
            console.print(
                f"          {found['part']}{where}: {found['detail']}. {found['advice']}",
                markup=False,
            )


def print_pipeline(job: Body) -> None:
    """A row a known market and bucket, then the audits."""
    console = _console()
    rows = [part["result"] for part in job["parts"] if "optimal_bps" in part["result"]]
    table = _table("Known markets: bps a bar, net of cost")
    for name in ("market", "bucket", "achieved", "95 % interval", "optimal", "share", "verdict"):
        left = name in ("market", "bucket", "verdict")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "verdict")
    for row in rows:
        table.add_row(
            row["market"],
            row["bucket"],
            number(row["achieved_bps"], "+.3f"),
            _interval(row, "+.2f"),
            number(row["optimal_bps"], ".3f"),
            number(row["share"], ".1%"),
            "reached" if row["passed"] else "; ".join(row["shortfalls"]),
        )
    table.caption = (
        f"asked of every seed: {rows[0]['asked']:.0%} of the optimum (75 % of a training below "
        "500,000 decisions, else 95 %, and 93 % where decisions are more than a bar apart)"
    )
    table.caption_justify = "left"
    console.print(table)
    for name, title in {row["market"]: row["title"] for row in rows}.items():
        console.print(f"  {name}: {title}", markup=False)
    for row in rows:
        for note in row["notes"]:
            console.print(f"  {row['market']} {row['bucket']}: {note}", markup=False)
    for part in job["parts"]:
        if "checks" in part["result"]:
            _print_checks(console, part["result"])


def print_signal(signal: Body) -> None:
    """Each bucket's position and expectations, and what they say together."""
    console = _console()
    label = " (synthetic)" if signal["synthetic"] else ""
    console.print(
        f"{signal['symbol']}{label} {signal['interval']}, close of {instant(signal['time'])} UTC: "
        f"{signal['close']:,.2f}",
        markup=False,
    )
    table = _table("")
    for name in ("bucket", "position", "short", "flat", "long"):
        table.add_column(name, justify="right" if name != "bucket" else "left")
    for bucket in signal["buckets"]:
        values = [number(bucket["values_bps"][name], "+.1f") for name in ("short", "flat", "long")]
        position = "abstains" if bucket["abstains"] else number(bucket["position"], "+.2f")
        table.add_row(bucket["bucket"], position, *values)
    table.add_row("together", number(signal["position"], "+.2f"))
    console.print(table)
    console.print("Expected, where there is skill (R² on held-out candles):")
    for bucket in signal["buckets"]:
        console.print(f"  {bucket['bucket']}: {_horizons(bucket['horizons'])}", markup=False)
    console.print(f"  together: {_horizons(signal['horizons'])}", markup=False)


def _horizons(horizons: list[Body]) -> str:
    words = (
        f"{one['expected_bps']:+.1f} bps over {one['bars']} bars ({one['skill']:.2%})"
        for one in horizons
        if (one["skill"] or 0) > 0
    )
    return ", ".join(words) or "nothing"


def _console() -> Console:
    return Console(highlight=False)


def _table(title: str) -> Table:
    return Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
    )
