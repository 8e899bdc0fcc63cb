"""Runs a study: what is left of it, and then its table and its page."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from btc_ai.api.executor import Executor, Task
from btc_ai.durable import replace_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.audit.gate import require_sound_features
from btc_ai.learning.files import disk_errors
from btc_ai.learning.study.design import Cell, Study, code_version, plan
from btc_ai.learning.study.page import make_page
from btc_ai.learning.study.results import make_results
from btc_ai.learning.study.task import STUDY, locked, read_result
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry

Body = dict[str, Any]

RESULTS, PAGE = "results.json", "report.html"


@dataclass(frozen=True)
class StudyProgress:
    """So many of all runs are done; eta_s: seconds left, None before one has ended."""

    done: int
    runs: int
    eta_s: float | None


def run_study(
    study: Study,
    candles: Candles,
    registry: FeatureRegistry,
    executor: Executor,
    folder: Path,
    *,
    trials: Path | None = None,
    on_progress: Callable[[StudyProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Body:
    """Run what is left of the study in `folder`; write results.json and report.html; the results.

    Called again after a stop or a kill it repeats no finished run and takes up unfinished ones;
    what was done with other settings, candles or code is left aside. Each run is a trial in the
    ledger `trials`. Raises TrainingError where a run fails, StepStoppedError once stopped, and as
    `train_bucket`.
    """
    cells = plan(study, candles.sha256, partial(code_version, registry), folder, trials)
    with locked(folder, should_stop):
        _announce(folder, study, cells)
        for settings in study.buckets:
            gate = folder / f"audit-{settings.bucket}"
            require_sound_features(candles, registry, settings, gate, should_stop=should_stop)
        results = _run(cells, candles, executor, folder, on_progress, should_stop)
        table = make_results(study, candles, cells, results)
        with disk_errors(folder):
            replace_durably(folder / RESULTS, json.dumps(table, indent=1).encode())
            replace_durably(folder / PAGE, make_page(table, folder.name).encode())
    return table


def _announce(folder: Path, study: Study, cells: list[Cell]) -> None:
    """What the runs' folders, which have keys for names, are."""
    told = {
        "kinds": study.kinds,
        "code": {study.buckets[cell.bucket].bucket: cell.task.arguments["code"] for cell in cells},
        "runs": {
            cell.task.key: {
                "bucket": study.buckets[cell.bucket].bucket, "seed": cell.seed, "arm": cell.arm,
            }
            for cell in cells
        },
    }  # fmt: skip
    with disk_errors(folder):
        replace_durably(folder / STUDY, json.dumps(told, indent=1).encode())


def _run(
    cells: list[Cell],
    candles: Candles,
    executor: Executor,
    folder: Path,
    on_progress: Callable[[StudyProgress], None],
    should_stop: Callable[[], bool],
) -> dict[str, Body]:
    found = {cell.task.key: read_result(folder, cell.task.key) for cell in cells}
    results = {key: result for key, result in found.items() if result is not None}
    left = [_without(cell.task, results) for cell in cells if cell.task.key not in results]
    before, began = len(results), time.monotonic()
    on_progress(StudyProgress(before, len(cells), None))
    for done in executor.run(left, {"candles": candles}, should_stop):
        if done.result is None:
            cell = next(cell for cell in cells if cell.task.key == done.key)
            raise TrainingError(_failed(cell, done.error))
        results[done.key] = done.result
        each = (time.monotonic() - began) / (len(results) - before)
        eta = each * (len(cells) - len(results))
        on_progress(StudyProgress(len(results), len(cells), round(eta, 1)))
    return results


def _without(task: Task, done: dict[str, Body]) -> Task:
    """The task, without the needs that are met."""
    needs = tuple(need for need in task.needs if need not in done)
    return Task(task.key, task.function, task.arguments, needs)


def _failed(cell: Cell, error: str | None) -> str:
    bucket = cell.task.arguments["settings"]["bucket"]
    return (
        f"{bucket}, seed {cell.seed}, arm {cell.arm}: {error}. What is finished is kept; resume "
        "the study once that is mended"
    )
