"""The page of a study: one file of HTML that needs no other, in dark and in light."""

from typing import Any

from btc_ai.learning.study.plots import differences, learning_curves
from btc_ai.market.candles import iso
from btc_ai.pages.page import bps, page_environment

Body = dict[str, Any]

PLACES = {
    "test": "At the end, on the held-out test part",
    "asymptote": "At the end, on the validation part",
    "jumpstart": "Before the first update, on the validation part",
}


def make_page(results: Body, name: str) -> str:
    """The page that shows `results` of the study called `name`; the same ones, the same page."""
    filters = {"bps": bps, "interval": interval, "share": "{:.0%}".format}
    environment = page_environment("btc_ai.learning.study", **filters, verdict=verdict, date=iso)
    later = results["buckets"][1:]
    return environment.get_template("page.html.jinja").render(
        name=name,
        results=results,
        later=later,
        summary=summary(results),
        places={title: differences(later, place) for place, title in PLACES.items()},
        curves={bucket["bucket"]: learning_curves(bucket) for bucket in results["buckets"]},
    )


def interval(found: Body) -> str:
    """`+0.123 (+0.010 to +0.236)`."""
    return f"{bps(found['value'])} ({bps(found['low'])} to {bps(found['high'])})"


def verdict(found: Body) -> str:
    """What the interval of a difference says: `better`, `worse` or `undecided`."""
    if found["low"] > 0:
        return "better"
    return "worse" if found["high"] < 0 else "undecided"


SAID = {
    "better": "did better with transfer than from scratch",
    "worse": "did worse with transfer than from scratch",
    "undecided": "did neither better nor worse with transfer than from scratch, as far as "
    "{seeds} seeds can tell",
}
PLACEBO = {
    "better": "Transfer is ahead of the placebo, which has nothing to tell: what was carried over "
    "is knowledge.",
    "worse": "Transfer is behind even the placebo, which has nothing to tell: what was carried "
    "over misleads.",
    "undecided": "Nor can transfer be told from the placebo, which has nothing to tell.",
}


def summary(results: Body) -> str:
    """The study in three sentences."""
    overall, seeds = results["overall"], results["seeds"]
    transfer, knowledge = overall["transfer"], overall["knowledge"]
    said = verdict(transfer["test"])
    placebo = PLACEBO[verdict(knowledge["test"])]
    if said != "undecided":
        placebo = placebo.replace("Nor can transfer", "Yet transfer cannot")
    return (
        f"On candles that no run had seen, buckets {SAID[said].format(seeds=seeds)}: "
        f"{interval(transfer['test'])} bps a bar. {placebo} {results['note']}"
    ).strip()
