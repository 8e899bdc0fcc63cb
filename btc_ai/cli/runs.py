"""`btc-ai status`, `runs`, `show`, `stop`, `pause` and `continue`: see and steer runs."""

import sys
import textwrap
from typing import Annotated, Any

import typer

from btc_ai.cli.context import (
    current,
    market_name,
    print_json,
    stalled_words,
    state_of,
    update_words,
)

Body = dict[str, Any]

LONG_S = 60.0

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Run = Annotated[
    str | None, typer.Argument(help="A run's id, the beginning of one; default: the newest run")
]
Active = Annotated[
    str | None,
    typer.Argument(help="A run's id, the beginning of one; default: the run that trains"),
]
Interrupted = Annotated[
    str | None,
    typer.Argument(help="A run's id, the beginning of one; default: the newest interrupted run"),
]


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Say what the daemon is doing now."""
    here = current(ctx)
    with here.client() as client:
        here.compare_config(client)
        found = client.call("daemon.status")
    training = next((one for one in found["plugins"] if one["name"] == "training"), None)
    runs_now = training["status"].get("runs", []) if training else []
    if as_json:
        print_json({**found, "runs": runs_now})
        return
    write = sys.stdout.write
    write(f"daemon {found['version']} running, process {found['pid']}\n")
    for one in found["plugins"]:
        if one["state"] not in ("ready", "idle"):
            detail = f": {one['detail']}" if one["detail"] else ""
            write(f"plugin {one['name']} is {one['state']}{detail}\n")
    for run in runs_now:
        write(f"{_line(run)}\n")
        for step in run["steps"]:
            write(f"  {step['bucket']:<12} {step['state']:<8} {_episodes(step)}\n")
            if stalled := stalled_words(step):
                write(f"  {'':<12} {stalled}\n")
    if training and training["state"] == "disabled":
        write("nothing is trained; `btc-ai plugins enable training` lets it go on\n")
    elif not runs_now:
        write("no runs yet; `btc-ai train` starts one\n")
    if news := update_words(found["plugins"]):
        write(f"update: {news}\n")


def _line(run: Body) -> str:
    said = f"run {run['run']} {state_of(run)}: {market_name(run)}"
    return f"{said}\n{textwrap.indent(run['error'], '  ')}" if run["error"] else said


def _episodes(step: Body) -> str:
    metrics = step["metrics"]
    said = f"{step['episode']}/{step['episodes']} episodes"
    return f"{said}, reward {metrics['reward']:+.3f} bps a bar" if metrics else said


def runs(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first")] = 20,
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    with current(ctx).client() as client:
        found = client.call("training.runs", {"limit": limit})["runs"]
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    from btc_ai.cli.tables import moment

    table = Table(box=None, pad_edge=False)
    for name in ("run", "state", "begun", "market", "buckets"):
        table.add_column(name)
    for run in found:
        buckets = " ".join(
            f"{step['bucket']} {step['episode']}/{step['episodes']}" for step in run["steps"]
        )
        table.add_row(run["run"], state_of(run), moment(run["created"]), market_name(run), buckets)
    Console(highlight=False).print(table)


def show(
    ctx: typer.Context,
    run: Run = None,
    history: Annotated[
        bool, typer.Option("--history", help="With the metrics of every episode")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one run: its buckets, metrics, results and files."""
    with current(ctx).client() as client:
        found = client.call("training.show", {"run": run})
        if history:
            for step in found["steps"]:
                step["history"] = _read_history(client, found["run"], step["position"])
    if as_json:
        print_json(found)
        return
    from btc_ai.cli.show import print_run

    print_run(found)


def _read_history(client: Any, run: str, position: int) -> list[Body]:
    rows: list[Body] = []
    while True:
        after = rows[-1]["episode"] if rows else 0
        body = {"run": run, "position": position, "after": after}
        page = client.call("training.history", body)["rows"]
        if not page:
            return rows
        rows += page


def _steer(ctx: typer.Context, kind: str, run: str | None, as_json: bool) -> None:
    here = current(ctx)
    with here.client() as client:
        found = client.call(kind, {"run": run}, timeout=LONG_S)
    if as_json:
        print_json(found)
    else:
        here.say(f"run {found['run']}: {found['state']}")


def stop(ctx: typer.Context, run: Active = None, as_json: Json = False) -> None:
    """Stop a run at a checkpoint; `btc-ai train --resume` takes it up again."""
    _steer(ctx, "training.stop", run, as_json)


def pause(ctx: typer.Context, run: Active = None, as_json: Json = False) -> None:
    """Pause a run at a checkpoint; `btc-ai continue` takes it up again."""
    _steer(ctx, "training.pause", run, as_json)


def continue_run(ctx: typer.Context, run: Interrupted = None, as_json: Json = False) -> None:
    """Go on with a paused, stopped or failed run."""
    _steer(ctx, "training.continue", run, as_json)
