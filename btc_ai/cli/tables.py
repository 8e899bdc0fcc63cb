"""Tables and words for runs."""

import time
from typing import Any

from rich import box
from rich.table import Table

Body = dict[str, Any]

COLUMNS = ("bucket", "bps/bar", "return", "Sharpe", "max dd", "win", "pf", "trades", "hold")


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


def summary(state: Body) -> Table:
    """The results of each bucket on the held-out test part, beside the baselines."""
    market = f"{state['symbol']} {state['interval']}"
    label = f"{market} (synthetic)" if state["synthetic"] else market
    captions = ["flat earns 0; hold: buy and hold; pf: profit factor; dd: drawdown"]
    if any(_abstains(step) for step in state["steps"]):
        captions.append("abstains: no evidence on validation that trading pays, so it stays flat")
    table = Table(
        title=f"Run {state['run']}: held-out test of {label}, net of cost",
        caption="\n".join(captions),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1),
    )
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "bucket" else "right", no_wrap=True)
    for step in state["steps"]:
        if not step["outcome"]:
            table.add_row(step["bucket"], step["state"])
            continue
        results = step["outcome"]["evaluation"]
        own, hold = results["model"], results["buy_and_hold"]
        table.add_row(
            step["bucket"],
            "abstains" if _abstains(step) else number(own["net_bps_per_bar"], "+.4f"),
            number(own["total_return"], "+.1%"),
            number(own["sharpe"], ".2f"),
            number(own["max_drawdown"], ".1%"),
            number(own["win_rate"], ".0%"),
            number(own["profit_factor"], ".2f"),
            number(own["trades"], ",d"),
            number(hold["net_bps_per_bar"], "+.4f"),
        )
    return table


def _abstains(step: Body) -> bool:
    return bool(step["outcome"] and step["outcome"]["validation"].get("abstains"))
