"""Tables and words for runs."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from btc_ai.cli.context import market_name

Body = dict[str, Any]

COLUMNS = ("bucket", "bps/bar", "return", "Sharpe", "max dd", "win", "pf", "trades", "hold")
LEFT_OUT_FIRST = ("max dd", "Sharpe", "win")
UNLIMITED = 10_000


def number(value: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else format(value, form)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def memory_words(note: Body) -> str:
    """What was said about memory, in a line."""
    if note["what"] == "no_gpu":
        return str(note["text"])
    said = f"memory of the {note['backend']}: {note['text']}"
    if note["rung"]:
        said = f"{said} (rung {note['rung']} of 7, episode {note['episode']}, {note['phase']})"
    return f"{said}, {_in_use(note)}"


def _in_use(note: Body) -> str:
    readings = [one for one in (note["before"], note["after"]) if one]
    shares = [f"{1 - one['free_mb'] / one['total_mb']:.0%}" for one in readings]
    return f"{' → '.join(shares)} of {readings[0]['total_mb'] / 1024:.1f} GiB in use"


def moment(stamp: float | None) -> str:
    """Local date and time to the second."""
    return "–" if stamp is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))


def instant(milliseconds: int) -> str:
    """UTC date and time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(milliseconds / 1000))


def fitted(
    draw: Callable[[Sequence[str]], Table],
    columns: Sequence[str],
    left_out_first: Sequence[str],
    width: int,
) -> Table:
    """A table of as many of the columns as fit, so that no number is cut."""
    wide = Console(width=UNLIMITED)
    for count in range(len(left_out_first) + 1):
        table = draw([name for name in columns if name not in left_out_first[:count]])
        if wide.measure(table).maximum <= width:
            break
    return table


def summary(state: Body, width: int) -> Table:
    """The results of each bucket on the held-out test part, beside the baselines."""
    return fitted(lambda shown: _summary(state, shown), COLUMNS, LEFT_OUT_FIRST, width)


def _summary(state: Body, shown: Sequence[str]) -> Table:
    captions = ["flat earns 0; hold: buy and hold; pf: profit factor; dd: drawdown"]
    if any(_abstains(step) for step in state["steps"]):
        captions.append("abstains: no evidence on validation that trading pays, so it stays flat")
    table = Table(
        title=f"Run {state['run']}: held-out test of {market_name(state)}, net of cost",
        caption="\n".join(captions),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
    )
    for name in shown:
        if name == "bucket":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for step in state["steps"]:
        if not step["outcome"]:
            table.add_row(step["bucket"], step["state"])
            continue
        results = step["outcome"]["evaluation"]
        own, hold = results["model"], results["buy_and_hold"]
        net = "abstains" if _abstains(step) else number(own["net_bps_per_bar"], "+.4f")
        cells = {
            "bucket": step["bucket"],
            "bps/bar": net,
            "return": number(own["total_return"], "+.1%"),
            "Sharpe": number(own["sharpe"], ".2f"),
            "max dd": number(own["max_drawdown"], ".1%"),
            "win": number(own["win_rate"], ".0%"),
            "pf": number(own["profit_factor"], ".2f"),
            "trades": number(own["trades"], ",d"),
            "hold": number(hold["net_bps_per_bar"], "+.4f"),
        }
        table.add_row(*(cells[name] for name in shown))
    return table


def _abstains(step: Body) -> bool:
    return bool(step["outcome"] and step["outcome"]["validation"].get("abstains"))
