"""`btc-ai report`: one file with all that there is to know of a run."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.errors import BtcAiError, HistoryError

if TYPE_CHECKING:
    from btc_ai.config import Config

Body = dict[str, Any]
Progress = Callable[[float, str], None]

RECORDED_IN_S = 5.0
"""How long monitoring may take to write what has just happened."""

Run = Annotated[
    str | None, typer.Argument(help="A run's id, the beginning of one; default: the newest run")
]


class Form(StrEnum):
    """`btc_ai.reports.Form`, as Typer takes it."""

    HTML = "html"
    PDF = "pdf"
    JSON = "json"


def report(
    ctx: typer.Context,
    run: Run = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Default: as --output ends, else html")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file or FOLDER/ (default: MODELS_DIR/reports)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print where it is as JSON")] = False,
) -> None:
    """Write a report of a run: configuration, candles, curves, transfers, results, warnings.

    It needs no daemon: the history tells, or where there is none, the run folders.
    """
    from btc_ai.cli.jobs import make_progress

    here = current(ctx)
    target = _target(output)
    chosen = form or _form_of(target)
    with closing(make_progress(here)) as progress:

        def tell(share: float, text: str) -> None:
            progress.show("report", share, text)

        path = _make(here, run, chosen, target, tell)
    if as_json:
        print_json({"report": str(path), "format": chosen.value})
    else:
        sys.stdout.write(f"{path}\n" if here.quiet else f"the report is in {path}\n")


def _target(output: str | None) -> Path | None:
    """The file or folder that is named; one that ends with a slash is a folder, and is made."""
    if output is None:
        return None
    target = Path(output)
    if output.endswith(os.sep):
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BtcAiError(f"{target} cannot be made: {error.strerror}; name another") from None
    return target


def _form_of(output: Path | None) -> Form:
    suffix = output.suffix[1:].lower() if output else ""
    return Form(suffix) if suffix in list(Form) else Form.HTML


def _make(here: Globals, run: str | None, form: Form, output: Path | None, tell: Progress) -> Path:
    """From the history; from the run's own folders where a daemon knows more than that."""
    from btc_ai.history.unrecorded import history_of
    from btc_ai.reports import make_report, write_report

    config = here.config()
    view = _view(here, config, run)
    if view is None:
        return make_report(config, run, form.value, output, tell)
    if _is_recorded(config, view):
        return make_report(config, view["run"], form.value, output, tell)
    with history_of(view) as history:
        return write_report(config, history, view["run"], form.value, output, tell)


def _view(here: Globals, config: "Config", run: str | None) -> Body | None:
    """The run as a daemon of these models tells it; None where there is none, or none runs."""
    client = here.client_if_any()
    if client is None:
        return None
    with client, suppress(BtcAiError):
        if client.call("daemon.status")["models_dir"] == str(config.MODELS_DIR):
            return client.call("training.show", {"run": run})
    return None


def _is_recorded(config: "Config", view: Body) -> bool:
    """Whether the history has the run as far as the daemon has told of it, or soon will have."""
    from btc_ai.history.queries import History

    end = time.monotonic() + RECORDED_IN_S
    with suppress(HistoryError), History.open(config) as history:
        while history.run(view["run"]).updated < view["updated"]:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True
    return False
