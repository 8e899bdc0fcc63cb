"""Gathers all that a report shows, from the history, the models' folders and the candles."""

import platform
import time
from collections.abc import Callable, Iterator
from typing import Final

import matplotlib
import numpy as np

import btc_ai
from btc_ai.config import Config
from btc_ai.history.answers import RunRow
from btc_ai.history.queries import History
from btc_ai.reports.buckets import gather_bucket, read_model
from btc_ai.reports.cautions import gather_cautions
from btc_ai.reports.contents import Peak, Report
from btc_ai.reports.data import gather_data, read_candles
from btc_ai.reports.evaluations import read_evaluations
from btc_ai.reports.settings import gather_settings
from btc_ai.reports.verdicts import run_verdict

METRICS: Final = ("reward", "validation_reward", "loss", "win_rate", "profit_factor")
AROUND_S: Final = 60.0
"""Samples of the system this long before and after a run are its own, too."""

Progress = Callable[[float, str], None]


def gather(config: Config, history: History, wanted: str | None, tell: Progress) -> Report:
    """The report of the run whose id is, or begins with, `wanted`; None: the newest.

    tell: hears the share that is done, 0 to 1, and what is being done. Raises HistoryError where
    there is no such run, or where the history cannot be read.
    """
    tell(0.0, "reading the history")
    run = history.find(wanted)
    models = {row.position: read_model(row) for row in run.buckets}
    tell(0.1, f"looking at the candles of {run.symbol}")
    candles = read_candles(config, run)
    data = gather_data(run, candles, [one for one in models.values() if one])
    names = list(dict.fromkeys((*METRICS, *config.MONITORING.METRICS)))
    buckets = []
    for row in run.buckets:
        tell(0.4 + 0.5 * row.position / len(run.buckets), f"reading {row.bucket}")
        model = models[row.position]
        found = read_evaluations(config.MODELS_DIR, run, model) if model else []
        buckets.append(gather_bucket(history, run, row, names, model, candles, found))
    tell(0.9, "weighing it up")
    return Report(
        run=run.run,
        state=run.state,
        error=run.error,
        made=time.time(),
        created=run.created,
        updated=run.updated,
        seed=run.seed,
        verdict=run_verdict(run.state, run.error, buckets),
        warnings=gather_cautions(config, history, run, data, buckets),
        data=data,
        settings=gather_settings(config),
        buckets=buckets,
        peaks=list(_peaks(history, run)),
        versions={
            "btc-ai": btc_ai.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "matplotlib": matplotlib.__version__,
        },
    )


def _peaks(history: History, run: RunRow) -> Iterator[Peak]:
    """The most memory of the run's processes, of the machine and of each GPU."""
    worker = f"process.worker.training.{run.run}."
    names = {"host.memory_used_mb": "the machine, all programs"}
    names |= {
        f"{worker}memory_mb": "the run",
        f"{worker}scratch.memory_mb": "its twin from scratch",
    }
    names |= {f"{worker}gpu_memory_mb": "the run, on GPUs"}
    asked = ("host.memory_used_mb", f"{worker}*", "gpu.*")
    start, end = run.created - AROUND_S, run.updated + AROUND_S
    for series in history.system(start, end, names=asked, max_points=1):
        gpu = series.name.startswith("gpu.") and series.name.endswith(".memory_used_mb")
        what = f"GPU {series.name.split('.')[1]}" if gpu else names.get(series.name)
        if what is not None:
            yield Peak(what, max(series.high))
