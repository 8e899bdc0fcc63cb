"""What events of the bus say, as rows of the tables."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]

MAIN, SCRATCH = "main", "scratch"
"""The arm that was asked for, and the twin beside it that measures a transfer."""
UNKNOWN_SEED = -1
"""Seeds count from 0."""


def series_of(sample: Body) -> Iterator[tuple[str, float]]:
    """The numbers of a sample by their series: `host.cpu`, `gpu.0.memory`, `process.NAME.cpu`."""
    for name, value in numbers(sample["host"]):
        yield f"host.{name}", value
    for gpu in sample["gpus"]:
        for name, value in numbers({**gpu, "index": None}):
            yield f"gpu.{gpu['index']}.{name}", value
    for process in sample["processes"]:
        for name, value in numbers({**process, "pid": None}):
            yield f"process.{process['name']}.{name}", value


def numbers(values: Body) -> Iterator[tuple[str, float]]:
    """The finite numbers among some values, by name."""
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield name, float(value)


def news_of(view: Body) -> Body:
    """What a list of events shows of a run, which its tables have whole."""
    steps = [{"bucket": step["bucket"], "state": step["state"]} for step in view["steps"]]
    return {"run": view["run"], "state": view["state"], "error": view["error"], "steps": steps}


def bucket_row(view: Body, step: Body) -> dict[str, Any]:
    """A bucket of a run."""
    taken = ("position", "bucket", "state", "learner", "episodes", "episode", "started", "ended",
             "directory", "degraded")  # fmt: skip
    of_twin = (step["directory"] or "").endswith(f"-{SCRATCH}")
    return {
        "run": view["run"],
        **{name: step[name] for name in taken},
        "arm": SCRATCH if of_twin else MAIN,
        "detail": step,
    }


def transfer_row(view: Body, step: Body) -> dict[str, Any]:
    """What was handed to a bucket, and whether it helped."""
    plan, verdict = step["transfer"], step["verdict"] or {}
    impact = verdict.get("impact") or {}
    reason = step["rolled_back"] or verdict.get("reason") or verdict.get("error")
    return {
        "transfer": f"{view['run']}-{step['position']}",
        "run": view["run"],
        "position": step["position"],
        "source": plan.get("source"),
        "target": step["bucket"],
        "kinds": plan["kinds"],
        "time": step["started"] or view["created"],
        "decision": verdict.get("decision") or ("rolled_back" if step["rolled_back"] else None),
        "reason": reason or plan.get("reason"),
        **{name: impact.get(name) for name in ("difference", "low", "high", "share")},
        "detail": {"transfer": plan, "verdict": step["verdict"]},
    }


def unknown_run(run: str) -> dict[str, Any]:
    """A run of which episodes are known before itself; `training.run` completes it."""
    return {
        "run": run, "state": "running", "error": None, "created": 0.0, "updated": 0.0, "symbol": "",
        "interval": "", "synthetic": False, "seed": UNKNOWN_SEED, "transfer": False,
    }  # fmt: skip


def unknown_bucket(run: str, position: int, bucket: str) -> dict[str, Any]:
    """A bucket of which episodes are known before itself."""
    return {
        "run": run, "position": position, "bucket": bucket, "state": "running", "learner": "",
        "episodes": 0, "episode": 0, "arm": MAIN, "degraded": False, "detail": {},
    }  # fmt: skip
