"""Makes the report of a run, and writes it whole or not at all."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Literal, get_args

from btc_ai.config import Config
from btc_ai.errors import BtcAiError
from btc_ai.history.queries import History
from btc_ai.history.unrecorded import open_history
from btc_ai.paths import report_file
from btc_ai.reports.contents import Report
from btc_ai.reports.gather import Progress, gather
from btc_ai.reports.page import make_page
from btc_ai.reports.pdf import make_pdf

Form = Literal["html", "pdf", "json"]
FORMS: tuple[Form, ...] = get_args(Form)


def make_report(
    config: Config,
    run: str | None = None,
    form: Form = "html",
    output: Path | None = None,
    on_progress: Progress = lambda share, text: None,
) -> Path:
    """Write the report of a run; return where. May be called from any thread.

    Where there is no history, it is made from what the run folders tell.

    run: its id, the beginning of one, or None for the newest. output: a file, a folder, or None:
    MODELS_DIR/reports. on_progress: the share that is done, 0 to 1, and what is being done. Raises
    HistoryError where the history or the run is not there, BtcAiError where nothing can be written.
    """
    with open_history(config) as history:
        return write_report(config, history, run, form, output, on_progress)


def write_report(
    config: Config, history: History, run: str | None, form: Form, output: Path | None,
    on_progress: Progress,
) -> Path:  # fmt: skip
    """As `make_report`, from a history that is open already."""
    report = gather(config, history, run, on_progress)
    on_progress(0.92, f"writing {form.upper()}")
    target = report_file(config.MODELS_DIR, report.run, form, output)
    _write(target, _CONTENTS[form](report))
    on_progress(1.0, "done")
    return target


def _json(report: Report) -> bytes:
    return (json.dumps(asdict(report), ensure_ascii=False, indent=1) + "\n").encode()


def _html(report: Report) -> bytes:
    return make_page(report).encode()


_CONTENTS: dict[Form, Callable[[Report], bytes]] = {"html": _html, "pdf": make_pdf, "json": _json}


def _write(path: Path, content: bytes) -> None:
    """A reader sees the old report or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise BtcAiError(
            f"the report cannot be written to {path}: {error.strerror}; make space, or name "
            "another file with --output"
        ) from None
