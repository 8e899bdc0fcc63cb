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
from btc_ai.errors import BtcAiError, HistoryError, UsageError
from btc_ai.paths import report_file

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
        Form | None, typer.Option("--format", help="Default: as --output ends; html in a folder")
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
    chosen = _form_of(form, output)
    with closing(make_progress(here)) as progress:

        def tell(share: float, text: str) -> None:
            progress.show("report", share, text)

        path = _make(here, run, chosen, output, tell)
    if as_json:
        print_json({"report": str(path), "format": chosen.value})
    else:
        sys.stdout.write(f"{path}\n" if here.quiet else f"the report is in {path}\n")


def _form_of(form: Form | None, output: str | None) -> Form:
    """As asked, else as the file is named. Raises UsageError where that does not go together."""
    if output is None or output.endswith(os.sep) or Path(output).is_dir():
        return form or Form.HTML
    suffix = Path(output).suffix[1:].lower()
    named = Form(suffix) if suffix in list(Form) else None
    if form and named and form != named:
        raise UsageError(
            f"--format {form} contradicts --output {output}; leave --format out, or name a file "
            f"that ends with .{form}"
        )
    if found := form or named:
        return found
    raise UsageError(
        f"--output {output} does not tell the format; let it end with .html, .pdf or .json, or "
        "give --format (a folder ends with /)"
    )


def _make(here: Globals, run: str | None, form: Form, output: str | None, tell: Progress) -> Path:
    """From the history; from the run's own folders where a daemon knows more than that."""
    from btc_ai.history.unrecorded import history_of, open_history

    config = here.config()
    view = _view(here, config, run)
    with (
        open_history(config) if view is None or _is_recorded(config, view) else history_of(view)
    ) as history:
        found = history.find(view["run"] if view else run).run
        target = _place(config, found, form, output)
        from btc_ai.reports import write_report  # slow: after all that can be refused

        return write_report(config, history, found, form.value, target, tell)


def _place(config: "Config", run: str, form: Form, output: str | None) -> Path:
    """The file to write, its folder made. Raises BtcAiError where it cannot be written there."""
    named = None if output is None else Path(output)
    if output is not None and output.endswith(os.sep):
        named = Path(output, f"{run}.{form}")
    target = report_file(config.MODELS_DIR, run, form, named)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BtcAiError(
            f"{target.parent} cannot be made: {error.strerror}; name another place with --output"
        ) from None
    if not os.access(target.parent, os.W_OK):
        raise BtcAiError(f"{target.parent} may not be written to; name another with --output")
    return target


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
