"""What `btc-ai study` prints."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from btc_ai.cli.tables import duration, moment, number

Body = dict[str, Any]

ARMS = ("scratch", "transfer", "placebo")
SEEDS_ALONE = "Intervals cover seeds alone, on one stretch of one market: not other periods."


def print_studies(studies: list[Body]) -> None:
    """A line a study."""
    table = Table(box=None, pad_edge=False)
    for name in ("study", "state", "begun", "market", "seeds", "runs", "buckets"):
        table.add_column(name)
    for one in studies:
        table.add_row(
            one["study"], one["state"], moment(one["created"]),
            f"{one['symbol']} {one['interval']}", str(one["seeds"]),
            f"{number(one['done'], 'd')}/{one['runs']}", " ".join(one["buckets"]),
        )  # fmt: skip
    Console(highlight=False).print(table)


def print_study(study: Body) -> None:
    """One study and, once it is done, its tables."""
    console = Console(highlight=False)
    console.print(
        f"study {study['study']}: {study['state']}, {number(study['done'], 'd')}/{study['runs']} "
        f"runs{_left(study)}, {study['seeds']} seeds, {study['episodes']} episodes, "
        f"carried: {', '.join(study['kinds'])}",
        markup=False,
    )
    if study["error"]:
        console.print(f"error: {study['error']}", markup=False)
    results = study["results"]
    if results is None:
        console.print(f"files: {study['folder']}", markup=False, soft_wrap=True)
        return
    console.print(_held_out(results))
    console.print(_ahead(results))
    console.print(SEEDS_ALONE, markup=False)
    if results["note"]:
        console.print(results["note"], markup=False)
    console.print(f"page: {study['page']}", markup=False, soft_wrap=True)


def _left(study: Body) -> str:
    return "" if study["eta_s"] is None else f", {duration(study['eta_s'])} left"


def _held_out(results: Body) -> Table:
    synthetic = " (synthetic)" if results["synthetic"] else ""
    table = _table(f"Held-out test of {results['symbol']} {results['interval']}{synthetic}")
    table.caption = "net bps a bar, interquartile mean over seeds; ahead: transfer − scratch"
    for name in ("bucket", *ARMS, "ahead", "95 %"):
        table.add_column(name, justify="left" if name == "bucket" else "right", no_wrap=True)
    for bucket in results["buckets"]:
        arms = [
            number(bucket["arms"][arm]["test"]["value"], "+.3f") if arm in bucket["arms"] else "–"
            for arm in ARMS
        ]
        found = bucket["differences"].get("transfer")
        table.add_row(bucket["bucket"], *arms, *_difference(found and found["test"]))
    overall = results["overall"]["transfer"]["test"]
    table.add_row("all", "", "", "", *_difference(overall))
    return table


def _ahead(results: Body) -> Table:
    table = _table("Ahead of scratch on the validation part (95 % intervals)")
    for name in ("bucket", "arm", "at the start", "at the end"):
        left = name in ("bucket", "arm")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "bucket")
    rows = [(one["bucket"], one["differences"]) for one in results["buckets"]]
    for bucket, differences in [*rows, ("all", results["overall"])]:
        for arm in ARMS[1:]:
            if arm in differences:
                found = differences[arm]
                table.add_row(
                    bucket, arm, "  ".join(_difference(found["jumpstart"])),
                    "  ".join(_difference(found["asymptote"])),
                )  # fmt: skip
    return table


def _difference(found: Body | None) -> tuple[str, str]:
    if found is None:
        return "–", "–"
    return f"{found['value']:+.3f}", f"{found['low']:+.3f} … {found['high']:+.3f}"


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", caption_justify="left", box=box.SIMPLE,
        pad_edge=False, padding=(0, 1),
    )  # fmt: skip
