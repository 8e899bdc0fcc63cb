"""How a report's values are written; the same on the page and on paper."""

import json
import time
from collections.abc import Mapping
from typing import Any

from btc_ai.market.candles import iso
from btc_ai.reports.contents import Evaluated, Policy

POLICIES = {"model": "the model", "flat": "staying flat", "buy_and_hold": "buying and holding"}


def number(value: float | None, form: str) -> str:
    """A number with a true minus, or a dash where there is none."""
    return "–" if value is None else format(value, form).replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """`+0.010 to +0.236`, or a dash."""
    return (
        "–" if low is None or high is None else f"{number(low, '+.3f')} to {number(high, '+.3f')}"
    )


def moment(stamp: float) -> str:
    """Date and time, UTC."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(stamp))


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def value(anything: Any) -> str:
    """A value of the configuration, as its file has it."""
    text = json.dumps(anything, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:157]}…"


def span(part: list[int]) -> str:
    """The times of a part of the candles."""
    return f"{iso(part[0])} to {iso(part[1])}"


def policy_cells(one: Policy) -> list[str]:
    """A row of the table of results."""
    return [
        POLICIES.get(one.name, one.name.replace("_", " ")),
        number(one.net_bps_per_bar, "+.3f"),
        interval(one.low, one.high),
        number(one.total_return, "+.1%"),
        number(one.sharpe, ".2f"),
        number(one.max_drawdown, ".1%"),
        number(one.win_rate, ".0%"),
        number(one.profit_factor, ".2f"),
        number(one.trades, ",d"),
    ]


POLICY_COLUMNS = (
    "policy", "bps/bar", "95 %", "return", "Sharpe", "drawdown", "won", "profit factor", "trades",
)  # fmt: skip


def evaluation_title(one: Evaluated) -> str:
    """What was evaluated, and on what."""
    what = (
        "the model as it is"
        if one.kind == "frozen"
        else f"{len(one.folds)} models trained anew, {one.episodes:,} episodes each, walk-forward"
    )
    return f"{what}, on {span([one.start, one.end])}"


def evaluation_facts(one: Evaluated) -> list[str]:
    """What stands beside its table, a sentence each."""
    low, high = one.over_hold
    facts = [
        f"{one.bars:,} bars, {one.cost_bps:g} bps a side. The difference to buying and holding: "
        f"95 % {interval(low, high)} bps a bar.",
        f"{one.trials:,} models have been trained on {one.symbol}: DSR "
        f"{number(one.deflated_sharpe, '.3f')}, PBO {number(one.overfitting, '.2f')}.",
    ]
    if one.policies[0].trades:
        costs = ", ".join(f"{at['cost_bps']:g}: {number(at['net_bps_per_bar'], '+.3f')}"
                          for at in one.costs)  # fmt: skip
        facts.append(
            f"bps a bar at other costs a side: {costs}; it breaks even at "
            f"{number(one.break_even_bps, '.1f')} bps."
        )
    if any(one.seen.values()):
        facts.append(
            f"Trained on {one.seen['trained']:,} of these bars, chosen on "
            f"{one.seen['chosen']:,}: no test of what it does on new ones."
        )
    facts += [
        f"Fold {at}, {span(fold['test'])}: {number(fold['net_bps_per_bar'], '+.3f')} bps a bar, "
        f"{fold['trades']:,} trades."
        for at, fold in enumerate(one.folds, 1)
    ]
    return [*facts, *(f"{note[0].upper()}{note[1:]}." for note in one.notes)]


def memory_note(note: Mapping[str, Any]) -> str:
    """What was done when memory ran short."""
    if not note["rung"]:
        return str(note["text"])
    return (
        f"memory of the {note['backend']}: {note['text']} (rung {note['rung']} of 7, episode "
        f"{note['episode']}, {note['phase']})"
    )
