"""A run of BTC-AI in MLflow: one run, and below it one for each bucket.

MLflow itself remembers how far each of them is, in tags, so that nothing is lost or doubled when
this process, the daemon or the server starts again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from btc_ai_mlflow.store import PARENT, Entry, Store

Body = dict[str, Any]

RUN, POSITION, EPISODE, SYNCED = (
    "btc_ai.run", "btc_ai.position", "btc_ai.episode", "btc_ai.synced",
)  # fmt: skip
STATUS = {
    "queued": "SCHEDULED", "waiting": "SCHEDULED", "paused": "SCHEDULED", "running": "RUNNING",
    "done": "FINISHED", "failed": "FAILED", "stopped": "KILLED",
}  # fmt: skip
NO_METRICS = ("episode", "episodes")
FILES = ("model.json", "model.safetensors")


class Mirror:
    """Writes what `training.show` and `training.history` tell into MLflow. Everything blocks."""

    def __init__(self, store: Store, *, artifacts: bool) -> None:
        """artifacts: keep finished models too."""
        self._store, self._artifacts = store, artifacts

    def run(self, view: Body) -> Entry:
        """The run of MLflow for a run; made where there is none."""
        found = self._store.find(RUN, view["run"])
        if found is not None:
            return found
        tags = {RUN: view["run"], "btc_ai.market": f"{view['symbol']} {view['interval']}"}
        made = self._store.make(view["run"], tags, view["created"])
        keys = ("symbol", "interval", "synthetic", "seed", "transfer")
        self._store.write(made.id, params={key: view[key] for key in keys})
        return made

    def is_complete(self, view: Body, run: Entry) -> bool:
        """Whether MLflow has all of a run as it is now."""
        return run.tags.get(SYNCED) == _mark(view)

    def step(self, view: Body, run: Entry, step: Body) -> tuple[Entry, int]:
        """The run of MLflow for a bucket, made where there is none, and its last episode there."""
        name = f"{view['run']}/{step['position']}"
        found = self._store.find(POSITION, name, run.id)
        if found is not None:
            return found, int(found.tags.get(EPISODE, 0))
        tags = {POSITION: name, PARENT: run.id, "btc_ai.bucket": step["bucket"]}
        made = self._store.make(step["bucket"], tags, step["started"] or view["created"])
        keys = ("bucket", "position", "learner", "episodes", "continued_from")
        self._store.write(made.id, params={key: step[key] for key in keys})
        return made, 0

    def episodes(self, entry: Entry, rows: Sequence[Body]) -> int:
        """Add episodes, oldest first; the last one."""
        last = int(rows[-1]["episode"])
        points = [
            (name, float(value), int(row["episode"]))
            for row in rows
            for name, value in row.items()
            if name not in NO_METRICS and isinstance(value, int | float)
        ]
        self._store.write(entry.id, metrics=points, tags={EPISODE: str(last)})
        return last

    def settle_step(self, entry: Entry, step: Body) -> None:
        """Bring a bucket's state up to date and, once it has ended, its results and its model."""
        outcome = step["outcome"]
        if outcome and entry.tags.get(SYNCED) != outcome["weights_sha256"]:
            last = int(step["episode"])
            self._store.write(
                entry.id,
                metrics=[(name, value, last) for name, value in results(step)],
                params=_settings(Path(outcome["model"])),
                tags=labels(step),
            )
            if self._artifacts:
                files = [Path(outcome["model"], name) for name in FILES]
                self._store.upload(entry.id, [one for one in files if one.is_file()], "model")
            self._store.write(entry.id, tags={SYNCED: outcome["weights_sha256"]})
        self._store.set_status(entry.id, STATUS.get(step["state"], "RUNNING"), step["ended"])

    def settle_run(self, view: Body, run: Entry) -> None:
        """Bring the state of a run up to date."""
        tags = {"btc_ai.state": view["state"], SYNCED: _mark(view)}
        if view["error"]:
            tags["btc_ai.error"] = view["error"][:1000]
        self._store.set_status(run.id, STATUS.get(view["state"], "RUNNING"), view["updated"])
        self._store.write(run.id, tags=tags)


def _mark(view: Body) -> str:
    return f"{view['state']} {view['updated']}"


def results(step: Body) -> Iterator[tuple[str, float]]:
    """What a finished bucket is worth, as metrics: validation, held-out evaluation, verdict.

    `heldout/model/…` and the baselines beside it are net of costs, on candles that neither
    training nor the choice of the model has seen.
    """
    outcome, verdict = step["outcome"], step["verdict"] or {}
    found: dict[str, Any] = {"validation/value": outcome["validation"]["value"]}
    for policy, values in outcome["evaluation"].items():
        found |= {f"heldout/{policy}/{name}": value for name, value in values.items()}
    found |= {f"horizon_skill/{bars}": r2 for bars, r2 in outcome["horizon_skill"].items()}
    impact: Mapping[str, Any] = verdict.get("impact") or {}
    found |= {f"transfer/{key}": impact.get(key) for key in ("difference", "low", "high")}
    for name, value in found.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def labels(step: Body) -> dict[str, str]:
    """What a finished bucket is, as tags."""
    outcome, verdict = step["outcome"], step["verdict"] or {}
    found = {
        "btc_ai.weights_sha256": outcome["weights_sha256"],
        "btc_ai.abstains": outcome["validation"]["abstains"],
        "btc_ai.degraded": step["degraded"],
        "btc_ai.transfer": verdict.get("decision"),
        "btc_ai.rolled_back": step["rolled_back"],
    }
    return {key: str(value)[:1000] for key, value in found.items() if value is not None}


def _settings(model: Path) -> dict[str, object]:
    """The settings on a model's card, as parameters."""
    try:
        card = json.loads((model / "model.json").read_bytes())
        return {f"settings.{key}": value for key, value in card["settings"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}  # the model has been removed meanwhile
