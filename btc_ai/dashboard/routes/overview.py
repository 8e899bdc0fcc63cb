"""All buckets at a glance: where they are, what became of them, what to look at."""

import asyncio
import time
from dataclasses import asdict, replace

from starlette.requests import Request

from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.dashboard.folder import MOST_PROBLEMS, look_into
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.verdicts import ALERTS, alert_of, is_drifting, verdict_of
from btc_ai.errors import BtcAiError, HistoryError
from btc_ai.history.answers import BucketRow, EventRow, RunRow
from btc_ai.history.queries import INTERRUPTED, History

RECENT = 100
"""Runs that are looked through for buckets."""
SPARK = 60
DRIFT = 40
"""Episodes in which a drift is looked for."""
MOST_ALERTS = 20
STATUS_S = 2.0
"""How long the daemon may take to answer; the page does not wait for one that hangs."""
UNDER_WAY = ("running", INTERRUPTED)
DAY_S = 24 * 3600.0


async def overview(parts: Parts, request: Request) -> Body:
    """Everything on the first page; where the history cannot be read, what the folder tells."""
    config, found, idle = await asyncio.gather(
        in_thread(parts.current.get),
        in_thread(lambda: look_into(parts.config.MODELS_DIR)),
        _why_idle(parts),
    )
    problems = idle + found.problems
    names, metrics = list(config.BUCKET_CONFIGS), config.MONITORING.METRICS
    try:
        seen = await parts.store.ask(lambda history: _from_history(history, names, metrics))
    except HistoryError as error:
        problems.insert(0, str(error))
        others = dict.fromkeys(one["bucket"] for one in found.models)
        seen = {"run": None, "queued": 0, "alerts": [], "note": "",
                "buckets": [_glance(name, None, []) for name in dict.fromkeys([*names, *others])],
                }  # fmt: skip
    problems += seen.pop("problems", ())
    return {**seen, "models": found.models, "problems": problems}


async def _why_idle(parts: Parts) -> list[str]:
    """That training was disabled, while runs still are as it left them."""
    if not parts.hub.connected:
        return []
    try:
        async with asyncio.timeout(STATUS_S):
            plugins = (await parts.bus.call("daemon.status", {}))["plugins"]
    except (BtcAiError, TimeoutError):
        return []
    off = any(one["name"] == "training" and one["state"] == "disabled" for one in plugins)
    return ["The plugin training is disabled: nothing is trained until it is enabled"] * off


def _from_history(history: History, names: list[str], metrics: list[str]) -> Body:
    recent = history.runs(limit=RECENT)
    under_way = (one for one in recent if one.state in UNDER_WAY)
    run = next(under_way, recent[0] if recent else None)
    newest = _newest_rows(history, run, recent, names)
    rows = {name: row and _with_metrics(history, row, metrics) for name, row in newest.items()}
    return {
        "run": asdict(run) if run else None,
        "queued": history.count_runs("queued"),
        "buckets": [_glance(name, row, _spark(history, row)) for name, row in rows.items()],
        "alerts": [*_drifts(history, run), *_alerts(history)][:MOST_ALERTS],
        "note": history.note if recent else "",
        "problems": history.problems[:MOST_PROBLEMS],
    }


def _newest_rows(
    history: History, run: RunRow | None, recent: list[RunRow], names: list[str]
) -> dict[str, BucketRow | None]:
    """The newest row of each bucket; those of the run in training go before later ones.

    One that waits or was stopped with a run that does not go on gives way to the newest model.
    """
    found: dict[str, BucketRow | None] = dict.fromkeys(names)
    giving_way: set[str] = set()
    for one in ([run] if run else []) + recent:
        for row in one.buckets:
            if found.get(row.bucket) is None:
                found[row.bucket] = row
                if one.state not in UNDER_WAY and row.state in ("waiting", "stopped"):
                    giving_way.add(row.bucket)
            elif row.bucket in giving_way and row.state == "done":
                found[row.bucket] = row
                giving_way.remove(row.bucket)
    for name in [name for name, row in found.items() if row is None]:
        for one in history.runs(bucket=name, limit=1):
            found[name] = next(row for row in one.buckets if row.bucket == name)
    return found


def _with_metrics(history: History, row: BucketRow, names: list[str]) -> BucketRow:
    """Of a bucket in training the metrics of its newest episode: it told those of when it began."""
    if row.state not in ("running", INTERRUPTED) or not row.episode:
        return row
    found = history.curves(row.run, row.position, names, first=row.episode)
    metrics = {one.name: one.mean[-1] for one in found if one.arm == row.arm and one.mean}
    return replace(
        row, detail={**row.detail, "metrics": {**row.detail.get("metrics", {}), **metrics}}
    )


def _glance(name: str, row: BucketRow | None, spark: list[float]) -> Body:
    verdict, level = verdict_of(row)
    return {
        "bucket": name, "run": row.run if row else None, "row": asdict(row) if row else None,
        "verdict": verdict, "level": level, "spark": spark,
    }  # fmt: skip


def _spark(history: History, row: BucketRow | None) -> list[float]:
    """Its newest rewards."""
    if row is None or not row.episode:
        return []
    found = history.curves(row.run, row.position, ["reward"], first=row.episode - SPARK + 1)
    own = [one.mean for one in found if one.arm == row.arm]
    return [float(f"{value:.4g}") for value in own[0]] if own else []


def _drifts(history: History, run: RunRow | None) -> list[Body]:
    """Buckets in training that win more often while their profit factor falls; no event says so."""
    told: list[Body] = []
    for row in (one for one in (run.buckets if run else ()) if one.state == "running"):
        first = row.episode - DRIFT + 1
        found = history.curves(row.run, row.position, ["win_rate", "profit_factor"], first=first)
        means = {one.name: one.mean for one in found if one.arm == row.arm}
        if is_drifting(means.get("win_rate", []), means.get("profit_factor", [])):
            event = EventRow(0, "", "dashboard", 0, time.time(), "dashboard.drift", row.run, {})
            text = f"{row.bucket}: the win rate rises while the profit factor falls"
            told.append({**asdict(event), "text": text, "level": "warning"})
    return told


def _alerts(history: History) -> list[Body]:
    """What warns, of the last day; of what a device last said, also what is older and stands."""
    since = time.time() - DAY_S
    told: list[Body] = []
    heard: set[tuple[str, str]] = set()
    for event in _newest(history):
        subject = (event.kind, str(event.body.get("device") or event.body.get("name") or ""))
        stands, found = bool(subject[1]) and subject not in heard, alert_of(event)
        heard.add(subject)
        if found is None or (event.time < since and not (stands and found[1] != "good")):
            continue
        told.append({**asdict(event), "text": found[0], "level": found[1]})
    return told


def _newest(history: History) -> list[EventRow]:
    found = [one for kind in ALERTS for one in history.events(kind=kind, limit=RECENT)]
    return sorted(found, key=lambda one: (-one.time, -one.id))
