"""`btc-ai transfer`: carry knowledge from one bucket to another, and see what came of it."""

import sys
from typing import Annotated, Any

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.cli.options import Kind
from btc_ai.errors import UsageError

Body = dict[str, Any]

app = typer.Typer(
    invoke_without_command=True,
    help="Carry knowledge from one bucket's model to another; list and show what came of it.",
)


Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


@app.callback()
def transfer(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Option("--from", help="Bucket whose latest model is the source")
    ] = None,
    target: Annotated[str | None, typer.Option("--to", help="Bucket to train from it")] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="What to carry; may be repeated (default: as KNOWLEDGE_TRANSFER says)"),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=1, max=10**9, help="Episodes (default: EPISODES_PER_BUCKET)"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be carried, and change nothing")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Start and return at once")] = False,
    as_json: Json = False,
) -> None:
    """Train a bucket from another's model, measured against a run from scratch."""
    if ctx.invoked_subcommand is not None:
        return
    if source is None or target is None:
        raise UsageError("give both --from BUCKET and --to BUCKET; or `list`, or `show`")
    body: Body = {
        "source": source,
        "target": target,
        "kinds": [str(each) for each in kind] if kind else None,
    }
    if dry_run:
        _dry_run(ctx, body, as_json)
    else:
        from btc_ai.cli.train import begin

        body |= {"episodes": episodes}
        begin(current(ctx), "transfer.start", body, detach=detach, as_json=as_json)


def _dry_run(ctx: typer.Context, body: Body, as_json: bool) -> None:
    with current(ctx).connect() as client:
        plan = client.call("transfer.plan", body)
    if as_json:
        print_json(plan)
        return
    sys.stdout.write("\n".join(_plan_lines(plan)) + "\n")


def _plan_lines(plan: Body) -> list[str]:
    from btc_ai.cli.transfer_words import joined

    if not plan["kinds"]:
        return [f"no transfer: {plan['reason']}"]
    horizons = plan["horizons"]
    overlap = "none"
    if horizons["overlap"]:
        overlap = "{} to {} bars".format(*horizons["overlap"])
    return [
        f"{joined(plan['kinds'])} from {plan['source']} to {plan['target']}",
        f"  source    {plan['model']}",
        f"  matched   {', '.join(plan['matched']) or 'none'}",
        f"  new       {', '.join(plan['new']) or 'none'}",
        f"  left      {', '.join(plan['left']) or 'none'}",
        f"  horizons  in common: {overlap}",
        f"  memory    at most {plan['expected_mb']:g} MB",
        *(f"  note      {note}" for note in plan["notes"]),
    ]


@app.command("list")
def list_transfers(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first")] = 20,
    as_json: Json = False,
) -> None:
    """List the transfers, newest first, with what each was worth."""
    with current(ctx).client() as client:
        found = client.call("transfer.list", {"limit": limit})["transfers"]
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    from btc_ai.cli.tables import number

    table = Table(box=None, pad_edge=False)
    for name in ("transfer", "from", "to", "kinds", "verdict", "bps/bar", "95 %"):
        table.add_column(name)
    for row in found:
        verdict = row["verdict"] or {}
        impact = verdict.get("impact") or {"difference": None, "low": None, "high": None}
        interval = " … ".join(number(impact[side], "+.4f") for side in ("low", "high"))
        table.add_row(
            row["id"], row["source"]["bucket"], row["target"]["bucket"],
            ", ".join(row["kinds"]) or "none", _decision(row),
            number(impact["difference"], "+.4f"), interval,
        )  # fmt: skip
    Console(highlight=False).print(table)


def _decision(row: Body) -> str:
    if not row["kinds"]:
        return "not made"
    if row["verdict"]:
        return str(row["verdict"]["decision"]).replace("_", " ")
    state = row["state"]
    if state in (None, "done"):
        return "not measured"
    return "in training" if state == "running" else str(state)


@app.command("show")
def show_transfer(
    ctx: typer.Context,
    transfer: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Its id, the beginning of one; default: the newest"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one transfer: what was carried, at what cost, and whether it helped."""
    with current(ctx).client() as client:
        row = client.call("transfer.show", {"transfer": transfer})
    if as_json:
        print_json(row)
        return
    from rich.console import Console

    console = Console(highlight=False)
    for line in _row_lines(row):
        console.print(line, markup=False, soft_wrap=True)
    if row["verdict"]:
        console.print(_milestones(row["verdict"]["comparisons"]))


def _row_lines(row: Body) -> list[str]:
    from btc_ai.cli.tables import number
    from btc_ai.cli.transfer_words import verdict_words

    memory = row["memory"]
    own = [number(memory[key].get("own_mb"), ".0f") for key in ("before", "after")]
    lines = [
        f"transfer  {row['id']}, {row['time']}, run {row['run']}",
        f"source    {row['source']['bucket']}: {row['source']['model']}",
        f"          sha256 {row['source']['weights_sha256']}",
        f"target    {row['target']['bucket']}: {row['target']['directory']}",
        f"          sha256 {row.get('target_sha256') or 'none, it has not ended'}",
        f"kinds     {', '.join(row['kinds']) or 'none'} (asked: {', '.join(row['asked'])})",
        f"columns   {len(row['matched'])} matched, {len(row['new'])} new, {len(row['left'])} left",
        f"memory    {own[0]} MB before, {number(memory['peak_mb'], '.0f')} at most, "
        f"{own[1]} after ({number(memory.get('kept_mb'), '+.1f')}); "
        f"{number(row.get('released_mb'), '.0f')} at the end of the run",
        f"took      {row['duration_s']:.3f} s",
    ]
    for rung in row["rungs"]:
        lines.append(f"passed    {', '.join(rung['kinds'])}: {rung['reason']}")
    if row["error"]:
        lines.append(f"error     {row['error']}")
    if row.get("not_measured"):
        lines.append(f"verdict   transfer {row['not_measured']}")
    if row["verdict"]:
        lines.append(f"verdict   {verdict_words(row['verdict'])}")
        times, ratio = row["verdict"]["time_to_threshold"], row["verdict"]["transfer_ratio"]
        lines.append(
            f"          episodes to scratch's value: {number(times['transferred'], 'd')} "
            f"against {number(times['scratch'], 'd')}; transfer ratio {number(ratio, '+.2f')}"
        )
    return lines


def _milestones(comparisons: list[Body]) -> Any:
    from rich.table import Table

    from btc_ai.cli.tables import number

    table = Table(box=None, pad_edge=False)
    for name in ("budget", "episode", "transferred", "scratch", "difference", "95 %"):
        table.add_column(name, justify="right")
    for one in comparisons:
        interval = " … ".join(number(one[side], "+.4f") for side in ("low", "high"))
        table.add_row(
            f"{one['share']:.0%}", str(one["episode"]), f"{one['transferred']:+.4f}",
            f"{one['scratch']:+.4f}", f"{one['difference']:+.4f}", interval,
        )  # fmt: skip
    return table
