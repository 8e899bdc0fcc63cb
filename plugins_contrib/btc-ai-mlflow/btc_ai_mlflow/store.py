"""MLflow, seen from here: find or make runs, write to them. Everything blocks."""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.api.errors import BtcAiError
from btc_ai_mlflow.settings import Settings

PATIENT = (401, 403, 408, 409, 425, 429)
"""Answers that blame the request, and yet may be other ones later."""
MOST_METRICS, MOST_PARAMS, LONGEST_PARAM = 1000, 100, 500
PARENT = "mlflow.parentRunId"


class StoreError(BtcAiError):
    """MLflow did not take something. permanent: it will not, however often it is asked."""

    code = "mlflow"

    def __init__(self, reason: str, *, permanent: bool) -> None:
        """Keep whether there is use in trying again."""
        super().__init__(reason)
        self.permanent = permanent


@dataclass(frozen=True)
class Entry:
    """A run of MLflow: its id, and its tags as they were when it was found or made."""

    id: str
    tags: dict[str, str]


class Store:
    """One experiment of one MLflow server or local store."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked yet."""
        quiet = {
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(settings.timeout_s))),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # who waits, and how long, is decided here
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        os.environ.update(quiet)
        self._settings = settings
        self._made: Any = None
        self._experiment: str | None = None

    def find(self, name: str, value: str, parent: str | None = None) -> Entry | None:
        """The run of MLflow whose tag `name` is `value`, below `parent` where one is given."""
        wanted = f"tags.`{name}` = '{value}'"
        if parent is not None:
            wanted += f" and tags.`{PARENT}` = '{parent}'"
        with self._errors() as client:
            found = client.search_runs([self._experiment_id(client)], wanted, max_results=1)
        return Entry(found[0].info.run_id, dict(found[0].data.tags)) if found else None

    def make(self, name: str, tags: Mapping[str, str], started: float) -> Entry:
        """A new run of MLflow. started: seconds since 1970, UTC."""
        with self._errors() as client:
            made = client.create_run(
                self._experiment_id(client), start_time=round(started * 1000), tags=dict(tags),
                run_name=name,
            )  # fmt: skip
        return Entry(made.info.run_id, dict(tags))

    def write(
        self, run: str, *, metrics: Sequence[tuple[str, float, int]] = (),
        params: Mapping[str, object] | None = None, tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Add metrics (name, value, step), parameters and tags; the tags are written last.

        What is no finite number is left out. The time of a metric is when it is written.
        """
        from mlflow.entities import Metric, Param, RunTag

        now = round(time.time() * 1000)
        points = [Metric(key, value, now, step) for key, value, step in metrics if _finite(value)]
        given = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in (params or {}).items()]
        marks = [RunTag(key, value) for key, value in (tags or {}).items()]
        with self._errors() as client:
            for part in _parts(points, MOST_METRICS):
                client.log_batch(run, metrics=part)
            for few in _parts(given, MOST_PARAMS):
                client.log_batch(run, params=few)
            if marks:
                client.log_batch(run, tags=marks)

    def upload(self, run: str, files: Sequence[Path], folder: str) -> None:
        """Keep files as artifacts."""
        with self._errors() as client:
            for file in files:
                client.log_artifact(run, str(file), folder)

    def set_status(self, run: str, status: str, ended: float | None) -> None:
        """Set RUNNING, SCHEDULED, FINISHED, FAILED or KILLED; the last three have an end."""
        with self._errors() as client:
            if status in ("RUNNING", "SCHEDULED"):
                client.update_run(run, status=status)
            else:
                end = round((ended or time.time()) * 1000)
                client.set_terminated(run, status=status, end_time=end)

    def _experiment_id(self, client: Any) -> str:
        if self._experiment is None:
            name = self._settings.experiment
            found = client.get_experiment_by_name(name)
            self._experiment = (
                found.experiment_id
                if found
                else client.create_experiment(name, _artifacts_of(self._settings.tracking_uri))
            )
        return self._experiment

    @contextmanager
    def _errors(self) -> Iterator[Any]:
        """The client; whatever it raises is a StoreError."""
        from mlflow.exceptions import MlflowException

        try:
            if self._made is None:
                from mlflow import MlflowClient

                self._made = MlflowClient(self._settings.tracking_uri)
            yield self._made
        except MlflowException as error:
            self._experiment = None  # it may be another server by now
            code = error.get_http_status_code()
            permanent = 400 <= code < 500 and code not in PATIENT
            raise StoreError(_first_line(error), permanent=permanent) from None
        except OSError as error:  # of the network, and of files
            self._experiment = None
            raise StoreError(_first_line(error), permanent=False) from None


def _artifacts_of(uri: str) -> str | None:
    """Where a new experiment keeps artifacts: beside an SQLite file, else where MLflow says.

    MLflow itself would take ./mlruns, below whatever folder the daemon was started in.
    """
    kind, _, file = uri.partition(":///")
    return (Path(file).absolute().parent / "mlruns").as_uri() if kind == "sqlite" else None


def _finite(value: float) -> bool:
    return math.isfinite(value)


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _first_line(error: Exception) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:300]
