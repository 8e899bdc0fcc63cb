"""`btc-ai`: the root of the command line, its global options and its exit codes.

Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon reachable, 130 interrupted.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from btc_ai import __version__
from btc_ai.cli import (
    backup,
    config,
    daemon,
    data,
    doctor,
    evaluate,
    keys,
    logs,
    monitor,
    plugins,
    predict,
    release,
    report,
    runs,
    service,
    study,
    top,
    train,
    transfer,
    update,
)
from btc_ai.cli.context import Globals
from btc_ai.cli.plugin_commands import Root
from btc_ai.errors import BtcAiError, UsageError

app = typer.Typer(
    name="btc-ai",
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Trains trading agents on Bitcoin candles, from short horizons to long ones.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon reachable, 130 interrupted.",
)
app.add_typer(backup.app, name="backup")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(daemon.app, name="daemon")
app.add_typer(keys.app, name="keys")
app.add_typer(logs.app, name="logs")
app.add_typer(plugins.app, name="plugins")
app.add_typer(release.app, name="release")
app.add_typer(service.app, name="service")
app.add_typer(study.app, name="study")
app.add_typer(transfer.app, name="transfer")
app.add_typer(update.app, name="update")
COMMANDS: tuple[Callable[..., None], ...] = (
    train.train, train.watch, runs.status, top.top, runs.runs, runs.show, runs.pause, runs.stop,
    report.report, evaluate.evaluate, evaluate.audit, predict.predict, doctor.doctor,
    monitor.monitor,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
app.command("continue")(runs.continue_run)
app.command("test-pipeline")(evaluate.test_pipeline)


ABOUT_THIS_MACHINE = (
    "backup", "config", "data", "doctor", "keys", "release", "report", "service", "update",
)  # fmt: skip
"""Commands that do not go with --host; others say so where they need something local."""


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"btc-ai {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Configuration file (default: see `config show`)"),
    ] = None,
    no_autostart: Annotated[
        bool, typer.Option("--no-autostart", help="Never start a daemon on demand")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A daemon elsewhere: a file that `keys new` wrote"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print results and errors only")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version")
    ] = False,
) -> None:
    """Keep the global options for the command."""
    ctx.obj = here = Globals(config, not no_autostart, quiet, host)
    if ctx.invoked_subcommand in ABOUT_THIS_MACHINE:
        here.refuse_host(f"btc-ai {ctx.invoked_subcommand}")
    if host is not None and config is not None:
        raise UsageError("--config and --host exclude each other: a host has its own")


def join_sequence(arguments: Sequence[str]) -> list[str]:
    """Turn the guide's `--sequence A B C` into `--sequence A,B,C`, wherever it stands."""
    joined: list[str] = []
    rest = list(arguments)
    while rest:
        joined.append(rest.pop(0))
        if joined[-1] == "--sequence":
            names = []
            while rest and not rest[0].startswith("-"):
                names.append(rest.pop(0))
            joined[-1] = f"--sequence={','.join(names)}"
    return joined


def _prepare_output() -> None:
    """Let no closed or narrow output end a command whose work is done."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # open to the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main() -> None:
    """Run the command line."""
    _prepare_output()
    try:
        app(args=join_sequence(sys.argv[1:]), prog_name="btc-ai")
    except BtcAiError as error:
        sys.stderr.write(f"btc-ai: {error}\n")
        sys.exit({"usage": 2, "no_daemon": 3, "interrupted": 130}.get(error.code, 1))
    except OSError as error:
        sys.stderr.write(f"btc-ai: the output cannot be written: {error.strerror}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
