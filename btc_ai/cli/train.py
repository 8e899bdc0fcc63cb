"""`btc-ai train` and `btc-ai watch`: start a run, and follow it until it ends."""

import sys
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.cli.options import LEARNER, bucket_names, require_trainable

if TYPE_CHECKING:
    from btc_ai.bus.client import Client, Subscription
    from btc_ai.cli.views import View

Body = dict[str, Any]

ENDED = ("done", "failed", "stopped", "paused")
PATIENCE_S = 5
TOPICS = ("training.", "monitoring.sample")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line")]
Run = Annotated[
    str | None, typer.Argument(help="A run's id, the beginning of one; default: the newest run")
]


def train(
    ctx: typer.Context,
    sequence: Annotated[
        list[str] | None,
        typer.Option(metavar="A B C | A,B,C", help="Buckets to train, in order"),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=1, max=10**9, help="Episodes a bucket (default: EPISODES_PER_BUCKET)"),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Train this bucket alone; with --resume, this one first")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the newest unfinished run where it stopped")
    ] = False,
    no_transfer: Annotated[
        bool, typer.Option("--no-transfer", help="Start each bucket from scratch")
    ] = False,
    learner: Annotated[
        str | None,
        typer.Option(
            metavar=LEARNER, help="Learning algorithm (default: LEARNER); --resume keeps a run's"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the run")] = None,
    symbol: Annotated[str | None, typer.Option(help="Market, e.g. BTC/USDT")] = None,
    interval: Annotated[str | None, typer.Option(help="Candle interval, e.g. 5m")] = None,
    market: Annotated[
        str | None, typer.Option(help="A built-in market instead of candles: sample")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start and return at once")] = False,
    as_json: Json = False,
) -> None:
    """Train the buckets one after the other and watch; Ctrl-C leaves the run going on."""
    here = current(ctx)
    body: Body = {
        "sequence": bucket_names(sequence),
        "bucket": bucket,
        "episodes": episodes,
        "resume": resume,
        "transfer": not no_transfer,
        "learner": learner,
        "seed": seed,
        "symbol": symbol,
        "interval": interval,
        "market": market,
    }

    def check() -> None:
        if not resume:
            require_trainable(here, body)

    begin(here, "training.start", body, detach=detach, as_json=as_json, check=check)


def begin(
    here: Globals, kind: str, body: Body, *, detach: bool, as_json: bool,
    check: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Send a command that begins a run, and follow it unless told to `detach`.

    check: as for `connect`.
    """
    with here.connect(check) as client:
        feed = client.subscribe(*TOPICS)
        started = client.call(kind, body)
        run = str(started["run"])
        if as_json:
            print_json({"event": "started", **started})
        else:
            here.say("; ".join([f"run {run}: {started['state']}", *started["notes"]]))
            _warn(here, started["warnings"])
        if not detach:
            raise typer.Exit(follow(here, client, feed, run, as_json=as_json))


def _warn(here: Globals, warnings: list[str]) -> None:
    """What goes against the guide; training goes on."""
    for text in [] if here.quiet else warnings:
        sys.stderr.write(f"btc-ai: warning: {text}\n")


def watch(ctx: typer.Context, run: Run = None, as_json: Json = False) -> None:
    """Follow a run until it ends; Ctrl-C leaves it going on."""
    here = current(ctx)
    with here.client() as client:
        feed = client.subscribe(*TOPICS)
        found = str(client.call("training.show", {"run": run})["run"])
        raise typer.Exit(follow(here, client, feed, found, as_json=as_json))


def follow(
    here: Globals, client: "Client", feed: "Subscription", run: str, *, as_json: bool
) -> int:
    """Show a run until it ends; return the exit code."""
    from btc_ai.cli.views import make_view

    with closing(make_view(as_json=as_json, quiet=here.quiet)) as view:
        try:
            final = _events(client, feed, run, view)
        except KeyboardInterrupt:
            view.close()
            sys.stderr.write(
                f"\nrun {run} goes on; `btc-ai watch {run}` shows it, "
                f"`btc-ai stop {run}` stops it\n"
            )
            return 130
    if final["error"]:
        sys.stderr.write(f"btc-ai: run {run} failed: {final['error']}\n")
    return 0 if final["state"] == "done" else 1


def _events(client: "Client", feed: "Subscription", run: str, view: "View") -> Body:
    """Feed the view until the run has ended; what was missed is asked for."""
    from btc_ai.bus.client import NoDaemonError

    state = client.call("training.show", {"run": run})
    view.run(state)
    for step in state["steps"]:
        if step["state"] == "running":
            view.past(step["position"], _newest(client, run, step))
    events, silent = feed.events(), 0
    while state["state"] not in ENDED:
        event, lost = next(events)
        if event is None:
            silent = 0 if client.address.listens() else silent + 1
            if silent > PATIENCE_S:
                raise NoDaemonError(
                    f"the daemon has gone; run {run} is kept. `btc-ai daemon start` goes on with "
                    f"it, `btc-ai watch {run}` shows it"
                )
        seen = state
        if lost or (event is None and not silent):
            seen = client.call("training.show", {"run": run})
        elif event is not None and event.kind == "monitoring.sample":
            view.sample(event.body)
        elif event is not None and event.body.get("run") == run:
            if event.kind == "training.progress":
                view.progress(event.body)
            elif event.kind == "training.memory":
                view.memory(event.body)
            # What happened before the newest answer has been shown with it.
            elif event.kind == "training.run" and event.body["updated"] >= state["updated"]:
                seen = event.body
        if seen != state:
            state = seen
            view.run(state)
    return state


def _newest(client: "Client", run: str, step: Body) -> list[Body]:
    """As many of a bucket's newest episodes as its curve has."""
    from btc_ai.cli.bars import EPISODES

    after = max(0, step["episode"] - EPISODES)
    body = {"run": run, "position": step["position"], "after": after}
    rows: list[Body] = client.call("training.history", body)["rows"]
    return rows
