"""What became of a bucket, and what an event warns of: in words, with how good or bad that is."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

from btc_ai.api.service import Body
from btc_ai.history.answers import BucketRow, EventRow
from btc_ai.history.queries import INTERRUPTED

Level = Literal["good", "neutral", "warning", "bad"]

STATES: dict[str, tuple[str, Level]] = {
    "waiting": ("waits for its turn", "neutral"),
    "queued": ("queued", "neutral"),
    "running": ("in training", "neutral"),
    "paused": ("paused; it goes on with Continue", "warning"),
    "stopped": ("stopped; it goes on with Continue", "warning"),
    "failed": ("failed", "bad"),
    INTERRUPTED: ("interrupted; it goes on when the daemon starts", "warning"),
}
ALERTS = (
    "monitoring.alert", "daemon.worker", "training.diverged", "training.memory", "plugin.state",
)  # fmt: skip
"""Events that may be an alert."""
_PLUGIN: dict[str, Level] = {
    "refused": "warning", "restarting": "warning", "stalled": "warning", "broken": "bad",
    "failed": "bad",
}  # fmt: skip
_WORKER: dict[str, Level] = {"stalled": "warning", "restarting": "warning", "failed": "bad"}
_MONITORING: dict[str, Level] = {"ok": "good", "warning": "warning", "limit": "bad"}

LEAST_HALF = 10
"""Episodes, below which a drift is chance."""


def verdict_of(row: BucketRow | None) -> tuple[str, Level]:
    """What became of a bucket, its transfer apart; None: it was never trained."""
    if row is None:
        return "not trained yet", "neutral"
    if row.state == "running" and row.detail.get("stalled_since"):
        return "in training, but its worker says nothing", "warning"
    if row.state in STATES:
        return STATES[row.state]
    said, level = _result(row.detail.get("outcome") or {})
    if not row.degraded:
        return said, level
    return f"{said}; degraded for want of memory", "warning" if level == "good" else level


def _result(outcome: Body) -> tuple[str, Level]:
    """What the model earns on the held-out test, beside buying and holding."""
    if (outcome.get("validation") or {}).get("abstains"):
        return "abstains: no evidence that trading pays, so it stays flat", "neutral"
    results = outcome.get("evaluation") or {}
    own = (results.get("model") or {}).get("net_bps_per_bar")
    if own is None:
        return "done", "neutral"
    hold = (results.get("buy_and_hold") or {}).get("net_bps_per_bar")
    beside = "" if hold is None else f", buy and hold {hold:+.2f}"
    words = f"{own:+.2f} bps a bar on the held-out test{beside}"
    return words, "bad" if own <= 0 else "good" if own > (hold or 0.0) else "neutral"


def alert_of(event: EventRow) -> tuple[str, Level] | None:
    """What an event warns of; None: of nothing."""
    body, kind = event.body, event.kind
    if kind == "monitoring.alert":
        return str(body.get("text", "")), _MONITORING.get(str(body.get("level")), "neutral")
    if kind == "training.diverged":
        twin = body.get("arm") == "scratch"
        of = "the twin from scratch of " if twin else ""
        return f"run {body.get('run')}: {of}{body.get('text')}", "warning" if twin else "bad"
    if kind == "training.memory":
        return f"{body.get('bucket')}: {body.get('text')}", (
            "bad" if body.get("what") == "limit" else "warning"
        )
    name, state = str(body.get("name", "")), str(body.get("state", ""))
    levels, what = (_PLUGIN, "plugin") if kind == "plugin.state" else (_WORKER, "worker")
    if state not in levels:
        return None
    why: Any = body.get("detail") or body.get("cause")
    return f"{what} {name} is {state}{f': {why}' if why else ''}", levels[state]


def is_drifting(win_rate: Sequence[float], profit_factor: Sequence[float]) -> bool:
    """Whether a policy wins more often and earns less: the newer half against the older one."""
    count = min(len(win_rate), len(profit_factor)) // 2
    if count < LEAST_HALF:
        return False
    won, earned = (fmean(one[-count:]) - fmean(one[-2 * count : -count])
                   for one in (win_rate, profit_factor))  # fmt: skip
    return won > 0.02 and earned < -0.05 * fmean(profit_factor[-2 * count : -count])
