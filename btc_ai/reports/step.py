"""What a worker process does for the monitoring service: make a report."""

import os
from typing import Any

from btc_ai.api.step import StepContext
from btc_ai.config import restore_config
from btc_ai.reports.make import make_report

Body = dict[str, Any]

NICENESS = 10
"""Training goes first."""


def report_step(arguments: Body, context: StepContext) -> Body:
    """Make the HTML report of the `run` by the `config`; its `path`."""
    os.nice(NICENESS)

    def tell(share: float, text: str) -> None:
        context.progress({"share": share, "text": text})

    config = restore_config(arguments["config"])
    return {"path": str(make_report(config, arguments["run"], on_progress=tell))}
