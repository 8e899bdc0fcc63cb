"""`btc-ai logs`: what was logged, from the files of LOG_DIR; no daemon is needed."""

from enum import StrEnum
from typing import Annotated

import typer

from btc_ai.cli.context import current
from btc_ai.cli.logs.level import level as set_level
from btc_ai.errors import UsageError

app = typer.Typer(invoke_without_command=True)
app.command("level")(set_level)

MAX = 10**6


class LevelName(StrEnum):
    """The log levels, as Typer takes them."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


@app.callback()
def logs(
    ctx: typer.Context,
    level: Annotated[
        LevelName | None,
        typer.Option(
            case_sensitive=False, metavar="|".join(LevelName), help="This level and those above it"
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="The last so many times 24 hours")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From then on: 2026-11-26, '2026-11-26 14:30', 2h, 3d"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Before then, in the same forms")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="training|update|error|NAME",
            help="One of these logs, or who logged: a plugin or another part, such as daemon",
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="What concerns a run")] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="REGEX", help="What is in the text or the traceback")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=MAX, help="N records before and after each as well"),
    ] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", min=1, max=MAX, help="The last N")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is logged, until Ctrl-C")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="Print how many there are")] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Repeated errors once, with what to do (default: ERROR)"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line")] = False,
) -> None:
    """Show what was logged, all of it or what the options ask for; no daemon is needed."""
    if ctx.invoked_subcommand is not None:
        return
    here = current(ctx)
    here.refuse_host("btc-ai logs")
    ways = {"--follow": follow, "--count": count, "--explain": explain, "--context": bool(context)}
    _only_one([name for name, given in ways.items() if given])
    _only_one([name for name, given in (("--days", days), ("--since", since)) if given])
    if follow and until:
        raise UsageError("--follow goes on for ever; leave out --until")
    if lines and (count or explain):
        raise UsageError("--lines does not go with --count or --explain")

    from btc_ai.cli.logs.answer import Answer
    from btc_ai.cli.logs.request import make_request

    if explain and level is None and source != "error":
        level = LevelName.ERROR
    request = make_request(
        here.config(), level=level and level.value, since=f"{days}d" if days else since,
        until=until, source=source, run=run, grep=grep,
    )  # fmt: skip
    answer = Answer(request, lines, as_json, here.quiet)
    if follow:
        raise typer.Exit(answer.follow())
    if count:
        raise typer.Exit(answer.count())
    raise typer.Exit(answer.explain() if explain else answer.show(context))


def _only_one(given: list[str]) -> None:
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other")
