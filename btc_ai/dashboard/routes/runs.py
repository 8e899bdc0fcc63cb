"""Runs, their curves on the screen and as files, and what their features are worth."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.dashboard.cards import Cards, baselines_of
from btc_ai.dashboard.encoding import encode
from btc_ai.dashboard.errors import NotFoundError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, query_of
from btc_ai.history.answers import BucketRow, Curve, RunRow
from btc_ai.history.queries import History

EVERY = 10**9
"""More points than any curve has."""
DIGITS = 6
REWARDS, REWARD_UNIT = ("reward", "validation_reward"), "bps_per_bar"
UNIT = "bps a bar lost on validation where the feature is shuffled, with its 95 % interval"


class RunsQuery(Asked):
    """A page of runs, newest first."""

    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0)
    state: str | None = Field(None, max_length=20)
    bucket: str | None = Field(None, max_length=64)


class CurvesQuery(Asked):
    """Metrics of a bucket of a run, between two episodes; as in `History.curves`."""

    position: int = Field(0, ge=0, le=1000)
    names: str = Field("reward,loss", max_length=500)
    first: int | None = Field(None, ge=0)
    last: int | None = Field(None, ge=0)
    points: int = Field(20_000, ge=1, le=50_000)
    smoothing: float = Field(0.0, ge=0, lt=1)


async def runs(parts: Parts, request: Request) -> Body:
    """A page of runs, and whether there are more."""
    asked = query_of(request, RunsQuery).model_dump()
    limit = asked.pop("limit")
    found = await parts.store.ask(lambda history: history.runs(limit=limit + 1, **asked))
    return {"runs": [asdict(one) for one in found[:limit]], "more": len(found) > limit}


async def run(parts: Parts, request: Request) -> Body:
    """One run, whole."""

    cards = Cards(parts.config.MODELS_DIR)

    def ask(history: History) -> Body:
        found = find_run(history, request.path_params["run"])
        return {
            "run": asdict(found),
            "metric_names": history.metric_names(found.run),
            "checkpoints": [asdict(one) for one in history.checkpoints(found.run)],
            "config_sha256": cards.settings_hash(found.buckets),
            "bucket_config_sha256": {
                one.position: cards.settings_hash([one]) for one in found.buckets
            },
            "data": cards.data(found),
        }

    return await parts.store.ask(ask)


def find_run(history: History, name: str) -> RunRow:
    """A run by its id, or the newest (`latest`). Raises UnknownRunError and NotFoundError."""
    if name != "latest":
        return history.run(name)
    if found := history.runs(limit=1):
        return found[0]
    raise NotFoundError("there are no runs yet; `btc-ai train` starts one")


def _bucket(run: RunRow, position: int) -> BucketRow:
    found = next((one for one in run.buckets if one.position == position), None)
    if found is None:
        raise NotFoundError(f"run {run.run} has no bucket at position {position}")
    return found


def _read(history: History, name: str, asked: CurvesQuery) -> tuple[RunRow, list[Curve]]:
    run = find_run(history, name)
    _bucket(run, asked.position)
    found = history.curves(
        run.run, asked.position, asked.names.split(","), first=asked.first, last=asked.last,
        max_points=asked.points, smoothing=asked.smoothing,
    )  # fmt: skip
    return run, found


async def curves(parts: Parts, request: Request) -> Body:
    """Curves as a screen can show them, in few bytes."""
    asked, name = query_of(request, CurvesQuery), request.path_params["run"]

    def ask(history: History) -> Body:
        run, found = _read(history, name, asked)
        return {
            "curves": [_brief(one, plain=not asked.smoothing) for one in found],
            "baselines": baselines_of(_bucket(run, asked.position), asked.names.split(",")),
            "times": history.times(run.run, asked.position),
        }

    return await parts.store.ask(ask)


def _brief(curve: Curve, *, plain: bool) -> Body:
    """A curve without what can be told from the rest, its numbers in a few digits."""
    step = curve.episode[1] - curve.episode[0] if len(curve.episode) > 1 else 1
    first = curve.episode[0] if curve.episode else 1
    even = curve.episode == list(range(first, first + step * len(curve.episode), step))
    alike = plain and curve.whole
    return {
        "name": curve.name, "arm": curve.arm, "whole": curve.whole,
        "episode": None if even else curve.episode,
        "first": first if even else None,
        "step": step if even else None,
        "mean": _rounded(curve.mean),
        "low": None if alike else _rounded(curve.low),
        "high": None if alike else _rounded(curve.high),
    }  # fmt: skip


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{one:.{DIGITS}g}") if math.isfinite(one) else one for one in values]


async def curves_json(parts: Parts, request: Request) -> Response:
    """Every episode asked for, as a file."""
    head, found = await _download(parts, request)
    text = await in_thread(lambda: encode({**head, "curves": [asdict(one) for one in found]}))
    return _file(text, "application/json", f"{head['run']}-{head['bucket']}.json")


async def curves_csv(parts: Parts, request: Request) -> Response:
    """Every episode asked for, as a table under a head of comments."""
    head, found = await _download(parts, request)
    text = await in_thread(lambda: _table(head, found))
    return _file(text, "text/csv", f"{head['run']}-{head['bucket']}.csv")


async def _download(parts: Parts, request: Request) -> tuple[Body, list[Curve]]:
    asked, name = query_of(request, CurvesQuery), request.path_params["run"]
    whole, cards = asked.model_copy(update={"points": EVERY}), Cards(parts.config.MODELS_DIR)

    def ask(history: History) -> tuple[Body, list[Curve]]:
        run, found = _read(history, name, whole)
        bucket = _bucket(run, asked.position)
        head = {
            "run": run.run, "bucket": bucket.bucket, "config_sha256": cards.settings_hash([bucket]),
            "data": cards.data(run, bucket), "smoothing": asked.smoothing,
        }  # fmt: skip
        return head, found

    return await parts.store.ask(ask)


def _table(head: Body, curves: Sequence[Curve]) -> str:
    out = io.StringIO()
    data: Body | None = head["data"]
    times = {name: _iso(data[name]) for name in ("start", "end")} if data else {}
    for key, value in {**head, "data": data and {**data, **times}}.items():
        out.write(f"# {key}: {value if isinstance(value, str) else encode(value)}\n")
    columns = [dict(zip(one.episode, one.mean, strict=True)) for one in curves]
    table = csv.writer(out)
    table.writerow(["episode", *(_column(one) for one in curves)])
    for episode in sorted({one for curve in curves for one in curve.episode}):
        table.writerow([episode, *(column.get(episode, "") for column in columns)])
    return out.getvalue()


def _column(curve: Curve) -> str:
    """The head of a curve's column, with its unit where its name does not say it."""
    name = f"{curve.name}_{REWARD_UNIT}" if curve.name in REWARDS else curve.name
    return name if curve.arm == "main" else f"{curve.arm}_{name}"


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _file(text: str, media: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store",
    }  # fmt: skip
    return Response(text, media_type=media, headers=headers)


async def features(parts: Parts, request: Request) -> Body:
    """What the features of each trained bucket are worth, as its model's card says."""
    name, cards = request.path_params["run"], Cards(parts.config.MODELS_DIR)

    def ask(history: History) -> Body:
        buckets = find_run(history, name).buckets
        found = ((one, cards.importance(one)) for one in buckets)
        rows = [
            {"bucket": one.bucket, "position": one.position, "features": features}
            for one, features in found
            if features
        ]
        return {"buckets": rows, "unit": UNIT}

    return await parts.store.ask(ask)
