"""One bucket of a run: what the history and the model's own card tell of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from btc_ai.errors import DataError
from btc_ai.history.answers import BucketRow, RunRow
from btc_ai.history.answers import Curve as HistoryCurve
from btc_ai.history.files import CARD, read_object
from btc_ai.history.queries import History
from btc_ai.market.candles import Candles
from btc_ai.reports.contents import (
    Bucket,
    Curve,
    Evaluated,
    Importance,
    Model,
    Policy,
    Transfer,
)
from btc_ai.reports.data import hold_on_validation
from btc_ai.reports.verdicts import bucket_verdict, transfer_verdict

Body = Mapping[str, Any]

POINTS: Final = 400
SMOOTHING: Final = 0.9


def read_card(row: BucketRow) -> Body | None:
    """What the finished model of a bucket says of itself; None where there is none to read."""
    outcome = row.detail.get("outcome")
    return read_object(Path(outcome["model"], CARD)) if outcome else None


def read_model(row: BucketRow) -> Model | None:
    """The finished model of a bucket; None where its card is missing, foreign or damaged."""
    card = read_card(row)
    if card is None:
        return None
    try:
        over = card.get("intervals", {}).get("model", {}).get("net_bps_over_hold")
        return Model(
            folder=row.detail["outcome"]["model"],
            weights_sha256=card["weights_sha256"],
            data_sha256=card["data_sha256"],
            created=card["created"],
            interval_ms=int(card["interval_ms"]),
            settings=card["settings"],
            versions=card["versions"],
            parts={name: [int(at) for at in part] for name, part in card["parts"].items()},
            seen=card.get("seen", {}),
            validation=card["validation"],
            over_hold=[over["low"], over["high"]] if over else None,
            ancestors=card.get("lineage", {}).get("ancestors", []),
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def gather_bucket(
    history: History, run: RunRow, row: BucketRow, names: Sequence[str], model: Model | None,
    candles: Candles | DataError, evaluations: list[Evaluated],
) -> Bucket:  # fmt: skip
    """All of one bucket; names: of the metrics whose curves are wanted."""
    card = (read_card(row) if model else None) or {}
    policies = _policies(row, card)
    ended = row.ended or run.updated
    return Bucket(
        position=row.position,
        bucket=row.bucket,
        state=row.state,
        learner=row.learner,
        episode=row.episodes if row.state == "done" else row.episode,
        episodes=row.episodes,
        seconds=ended - row.started if row.started else None,
        verdict=bucket_verdict(row, run.state, policies, model.over_hold if model else None),
        curves=_curves(history, run.run, row.position, names),
        policies=policies,
        importance=_importance(card),
        hold_on_validation=hold_on_validation(candles, model),
        transfer=_transfer(row),
        memory=row.detail.get("memory", []),
        degraded=row.degraded,
        restarts=row.detail.get("restarts", {}),
        model=model,
        evaluations=evaluations,
    )


def _curves(history: History, run: str, position: int, names: Sequence[str]) -> list[Curve]:
    """Each with its moving average; both have the same points."""
    raw = history.curves(run, position, names, max_points=POINTS)
    smooth = history.curves(run, position, names, max_points=POINTS, smoothing=SMOOTHING)
    by_name = {(one.name, one.arm): one for one in smooth}
    found = [_curve(one, by_name[one.name, one.arm]) for one in raw if one.episode]
    return sorted(found, key=lambda one: (names.index(one.name), one.arm))


def _curve(raw: HistoryCurve, smooth: HistoryCurve) -> Curve:
    return Curve(raw.name, raw.arm, raw.episode, raw.mean, raw.low, raw.high, smooth.mean)


def _policies(row: BucketRow, card: Body) -> list[Policy]:
    """Those on the held-out test part."""
    outcome = row.detail.get("outcome") or {}
    intervals = card.get("intervals", {})
    return in_order(
        make_policy(name, values, intervals.get(name, {}).get("net_bps_per_bar"))
        for name, values in outcome.get("evaluation", {}).items()
    )


def in_order(policies: Iterable[Policy]) -> list[Policy]:
    """The model first, then what it has to beat, best first."""
    return sorted(policies, key=lambda one: (one.name != "model", -one.net_bps_per_bar))


def make_policy(name: str, values: Body, interval: Body | None) -> Policy:
    """What a policy earned, as an evaluation tells it. Raises LookupError where that lacks some."""
    taken = ("net_bps_per_bar", "total_return", "sharpe", "max_drawdown", "win_rate",
             "profit_factor", "trades")  # fmt: skip
    low, high = (interval["low"], interval["high"]) if interval else (None, None)
    return Policy(name=name, low=low, high=high, **{key: values[key] for key in taken})


def _importance(card: Body) -> list[Importance]:
    found = [
        Importance(name, one["drop"], one["low"], one["high"])
        for name, one in card.get("importance", {}).items()
    ]
    return sorted(found, key=lambda one: -one.drop)


def _transfer(row: BucketRow) -> Transfer | None:
    plan = row.detail.get("transfer")
    if not plan:
        return None
    verdict, rolled_back = row.detail.get("verdict"), row.detail.get("rolled_back")
    impact = (verdict or {}).get("impact") or {}
    return Transfer(
        source=plan.get("source"),
        target=row.bucket,
        kinds=plan["kinds"],
        decision=(verdict or {}).get("decision") or ("rolled_back" if rolled_back else None),
        verdict=transfer_verdict(plan, verdict, rolled_back),
        difference=impact.get("difference"),
        low=impact.get("low"),
        high=impact.get("high"),
        matched=len(plan.get("matched", [])),
        new=len(plan.get("new", [])),
        comparisons=list((verdict or {}).get("comparisons", [])),
    )
