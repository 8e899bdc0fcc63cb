"""`btc-ai study`: does knowledge transfer help, over many seeds?"""

import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.cli.jobs import follow_job, make_progress
from btc_ai.cli.options import LEARNER, Kind, bucket_names, require_trainable
from btc_ai.errors import BtcAiError

if TYPE_CHECKING:
    from btc_ai.bus.client import Client, Subscription

Body = dict[str, Any]

LONG_S = 60.0

app = typer.Typer(
    name="study", no_args_is_help=True, help="Say over many seeds whether knowledge transfer helps."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Detach = Annotated[bool, typer.Option("--detach", help="Start and return at once")]
Study = Annotated[
    str | None, typer.Argument(help="A study's id, the beginning of one; default: the newest")
]


@app.command()
def transfer(
    ctx: typer.Context,
    sequence: Annotated[
        list[str] | None,
        typer.Option(metavar="A B C | A,B,C", help="Buckets in order, at least two (default: all)"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=100, help="Runs of each bucket and arm")] = 10,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes a run (default: EPISODES_PER_BUCKET)")
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="What is carried; may be repeated (default: KNOWLEDGE_TRANSFER)"),
    ] = None,
    learner: Annotated[
        str | None, typer.Option(metavar=LEARNER, help="Learning algorithm (default: LEARNER)")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The first seed (default: SEED)")] = None,
    executor: Annotated[
        str, typer.Option(metavar="inline|process|ray", help="Where the runs are done")
    ] = "process",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once (default: as many as cores)")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster, e.g. 10.0.0.1:6379 (default: a local one)")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Market, e.g. BTC/USDT")] = None,
    interval: Annotated[str | None, typer.Option(help="Candle interval, e.g. 5m")] = None,
    market: Annotated[
        str | None, typer.Option(help="A built-in market instead of candles: sample")
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Train every bucket from scratch, with transfer and with a placebo; compare them."""
    body: Body = {
        "sequence": bucket_names(sequence), "seeds": seeds, "episodes": episodes,
        "kinds": [str(each) for each in kind] if kind else None,
        "learner": learner, "seed": seed,
        "executor": executor, "workers": workers, "address": address,
        "symbol": symbol, "interval": interval, "market": market,
    }  # fmt: skip
    here = current(ctx)
    _begin(here, "study.transfer", body, detach, as_json, lambda: require_trainable(here, body))


@app.command()
def resume(
    ctx: typer.Context, study: Study = None, detach: Detach = False, as_json: Json = False
) -> None:
    """Go on with a stopped or failed study, and watch; no finished run is repeated."""
    _begin(current(ctx), "study.continue", {"study": study}, detach, as_json)


def _begin(
    here: Globals, kind: str, body: Body, detach: bool, as_json: bool,
    check: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    with here.connect(check) as client:
        feed = client.subscribe("study.")
        begun = client.call(kind, body)
        if detach:
            print_json(begun) if as_json else here.say(f"study {begun['study']}: {begun['state']}")
            return
        if not as_json:
            here.say(f"study {begun['study']}: {begun['runs']} runs")
        state = _follow(here, client, feed, begun["study"])
        found = client.call("study.show", {"study": begun["study"]})
    if state["state"] != "done":
        raise BtcAiError(state["error"] or f"study {begun['study']} was {state['state']}")
    _print(found, as_json)


def _follow(here: Globals, client: "Client", feed: "Subscription", study: str) -> Body:
    from btc_ai.cli.tables import duration

    with closing(make_progress(here)) as progress:

        def show(now: Body) -> None:
            left = "" if now["eta_s"] is None else f", {duration(now['eta_s'])} left"
            progress.show(
                "study", now["done"] / now["runs"], f"{now['done']}/{now['runs']} runs{left}"
            )

        try:
            return follow_job(client, feed, "study", {"study": study}, show)
        except KeyboardInterrupt:
            progress.close()
            sys.stderr.write(
                f"\nstudy {study} goes on; `btc-ai study resume {study}` shows it, "
                f"`btc-ai study stop {study}` stops it\n"
            )
            raise typer.Exit(130) from None


@app.command("list")
def list_studies(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many, newest first")] = 20,
    as_json: Json = False,
) -> None:
    """List the studies, newest first."""
    with current(ctx).connect() as client:
        found = client.call("study.list", {"limit": limit})["studies"]
    if as_json:
        print_json(found)
        return
    from btc_ai.cli.studies import print_studies

    print_studies(found)


@app.command()
def show(ctx: typer.Context, study: Study = None, as_json: Json = False) -> None:
    """Show a study: how far it is, or what it found."""
    with current(ctx).connect() as client:
        found = client.call("study.show", {"study": study})
    _print(found, as_json)


def _print(found: Body, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from btc_ai.cli.studies import print_study

    print_study(found)


@app.command()
def stop(ctx: typer.Context, study: Study = None, as_json: Json = False) -> None:
    """Stop a study; what is finished of it is kept, and `study resume` goes on."""
    here = current(ctx)
    with here.connect() as client:
        found = client.call("study.stop", {"study": study}, timeout=LONG_S)
    if as_json:
        print_json(found)
    else:
        here.say(f"study {found['study']}: {found['state']}")


@app.command()
def report(
    ctx: typer.Context,
    study: Study = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Copy the page there")] = None,
) -> None:
    """Say where a study's page of results is, or copy it."""
    here = current(ctx)
    if output is not None:
        here.refuse_host("study report --output")
    with here.connect() as client:
        found = client.call("study.show", {"study": study})
    if found["page"] is None:
        raise BtcAiError(
            f"study {found['study']} is {found['state']}; it has a page once it is done"
        )
    if output is None:
        sys.stdout.write(f"{found['page']}\n")
        return
    try:
        shutil.copyfile(found["page"], output)
    except OSError as error:
        raise BtcAiError(f"{found['page']} cannot be copied to {output}: {error}") from None
    here.say(f"wrote {output}")
