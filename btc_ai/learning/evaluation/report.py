"""The report of an evaluation: the model and every baseline, with intervals, and a verdict."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from btc_ai.learning.environment import MarketEnvironment, Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evaluation.baselines import baselines
from btc_ai.learning.evaluation.bootstrap import Intervals, intervals, mean_block
from btc_ai.learning.evaluation.curves import CostPoint, Series, break_even_bps, cost_curve
from btc_ai.learning.evaluation.results import Evaluation
from btc_ai.learning.evaluation.selection import Selection, select
from btc_ai.learning.evaluation.trials import TrialLedger, known_at
from btc_ai.learning.evaluation.verdict import Seen, judge
from btc_ai.market.candles import Candles, iso

SEED = 0


@dataclass(frozen=True)
class Section:
    """A model's rollout through one part of its market; `candles` are the environment's."""

    environment: MarketEnvironment
    candles: Candles
    part: slice
    rollout: Rollout


@dataclass(frozen=True)
class Policy:
    """All about one policy. break_even_bps: cost a side at which it earns nothing."""

    evaluation: Evaluation
    intervals: Intervals
    costs: list[CostPoint]
    break_even_bps: float | None
    series: Series


@dataclass(frozen=True)
class Report:
    """An evaluation of one bucket.

    kind: `frozen` (one model on one range) or `walk-forward`. start, end: [start, end) in ms.
    policies: `model` and the baselines. seen: bars of the range that the model was trained or
    chosen on. blocks: how many mean blocks of the bootstrap the range has. passed: whether the
    verdict is in the model's favour. folds: of a walk-forward evaluation, else empty.
    """

    kind: str
    bucket: str
    symbol: str
    interval: str
    synthetic: bool
    start: int
    end: int
    bars: int
    cost_bps: float
    policies: dict[str, Policy]
    blocks: float
    selection: Selection
    seen: Seen
    passed: bool
    verdict: str
    notes: list[str]
    folds: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary of at most about 250 KB as JSON."""
        return dataclasses.asdict(self)


def make_report(
    kind: str,
    sections: Sequence[Section],
    *,
    series: str,
    ledger: TrialLedger,
    seen: Seen,
    notes: Sequence[str] = (),
    folds: Sequence[Mapping[str, Any]] = (),
    seed: int = SEED,
) -> Report:
    """The report of a model's rollouts, one after the other in time.

    series: the trial (or the walk-forward evaluation) that the result is, for PBO. The same
    arguments and the same ledger give the same report.
    """
    settings, candles = sections[0].environment.settings, sections[0].candles
    step, block = candles.step, mean_block(settings.max_horizon)
    rollouts = _rollouts(sections, seed)
    known = np.concatenate([known_at(s.candles.time[s.part], step) for s in sections])
    policies = {}
    for name, rollout in rollouts.items():
        curve = accounting.equity(rollout)
        policies[name] = Policy(
            evaluation=Evaluation.of(rollout, step),
            # The same generator for each, so that all are resampled alike.
            intervals=intervals(
                rollout,
                rollouts["buy_and_hold"],
                step,
                block=block,
                generator=np.random.default_rng([seed, 2]),
            ),
            costs=cost_curve(rollout, step),
            break_even_bps=break_even_bps(rollout),
            series=Series.of(curve, known),
        )
    model = accounting.simple_returns(accounting.equity(rollouts["model"]))
    selection = select(ledger.read(), series, candles.symbol, model, step)
    blocks = len(model) / block
    passed, verdict = judge(
        policies["model"].evaluation, policies["model"].intervals, selection, seen, blocks
    )
    return Report(
        kind=kind,
        bucket=settings.bucket,
        symbol=candles.symbol,
        interval=candles.interval,
        synthetic=candles.synthetic,
        start=int(known[0]) - 2 * step,
        end=int(known[-1]) - step,
        bars=len(known),
        cost_bps=settings.cost_bps,
        policies=policies,
        blocks=blocks,
        selection=selection,
        seen=seen,
        passed=passed,
        verdict=verdict,
        notes=list(notes),
        folds=[dict(fold) for fold in folds],
    )


def _rollouts(sections: Sequence[Section], seed: int) -> dict[str, Rollout]:
    """Of the model and of all baselines, stitched over the sections."""
    generator = np.random.default_rng([seed, 1])
    pieces: dict[str, list[Rollout]] = {}
    for section in sections:
        others = baselines(
            section.environment, section.candles, section.part, section.rollout, generator
        )
        for name, rollout in {"model": section.rollout, **others}.items():
            pieces.setdefault(name, []).append(rollout)
    return {name: stitch(each) for name, each in pieces.items()}


def stitch(rollouts: Sequence[Rollout]) -> Rollout:
    """One rollout after the other; each begins and ends flat, and so pays for its own trades."""
    return Rollout(
        positions=np.concatenate([each.positions for each in rollouts], axis=1),
        returns=np.concatenate([each.returns for each in rollouts]),
        cost=rollouts[0].cost,
    )


def span(start: int, end: int) -> str:
    """A range of times to read: `2023-01-01 00:00 to 2023-02-01 00:00`."""
    return f"{iso(start)} to {iso(end)}"
