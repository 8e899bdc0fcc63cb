"""Walk-forward evaluation: train on the past, test on what follows, move on, and again.

        |<------------------- first 85 % of the candles ------------------>|<- final test ->|
fold 1  | train          | gap | validation | gap | test |                 |
fold 2  | train                | gap | validation  | gap | test |          |   never touched
fold 3  | train                       | gap | validation   | gap | test    |

Tests follow each other without a break, so the out-of-sample results make one series. Each gap
is a purge of MAX_HORIZON + 1 bars, within which an outcome could reach into the next part, and
an embargo of the longest look-back, within which a feature could (López de Prado 2018, ch. 7).
"""

import bisect
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.api.settings import LEAST_EVALUATED_DECISIONS, TRAIN_SHARE, VALIDATION_SHARE
from btc_ai.errors import DataError
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.dataset import (
    TEST_SHARE,
    Splits,
)
from btc_ai.learning.evaluation.frozen import replay
from btc_ai.learning.evaluation.report import SEED, Report, Section, make_report
from btc_ai.learning.evaluation.results import Evaluation
from btc_ai.learning.evaluation.trials import TrialLedger, settings_hash
from btc_ai.learning.evaluation.verdict import Seen
from btc_ai.learning.files import sha256
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.model import load_model
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles, iso
from btc_ai.market.features import FeatureRegistry

MOST_CANDLES = 10**9


@dataclass(frozen=True)
class FoldProgress:
    """An episode of a fold, from 1; None once the fold is tested."""

    fold: int
    folds: int
    metrics: EpisodeMetrics | None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


def walk_forward(
    settings: TrainingSettings,
    candles: Candles,
    registry: FeatureRegistry,
    directory: Path,
    folds: int,
    *,
    ledger: TrialLedger,
    on_progress: Callable[[FoldProgress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    seed: int = SEED,
) -> Report:
    """Train and test `folds` models, each from scratch in `directory`/fold-N.

    Called again after a stop or a kill it repeats no finished fold and takes up the unfinished
    one; `walk_forward_id` is a good name for the directory. Each fold is a trial. Raises as
    `plan_folds` and `train_bucket`.
    """
    lookback = max(registry.get(name).lookback for name in settings.features)
    plan = plan_folds(len(candles), folds, settings, lookback)
    group = walk_forward_id(settings, candles, folds)
    own = dataclasses.replace(ledger, group=group)

    def run_fold(number: int, splits: Splits) -> Section:
        known = candles.take(slice(0, splits.test.stop))
        result = train_bucket(
            settings,
            known,
            registry,
            directory / f"fold-{number}",
            splits=splits,
            ledger=own,
            lineage={"walk_forward": group, "fold": number, "folds": folds},
            on_episode=lambda metrics: on_progress(FoldProgress(number, folds, metrics)),
            should_stop=should_stop,
        )
        with reproducible(settings.threads):
            section = replay(load_model(result.model), known, registry, splits.test)
        on_progress(FoldProgress(number, folds, None))
        return section

    sections = [run_fold(number, splits) for number, splits in enumerate(plan, 1)]
    untouched = iso(candles.time[plan[-1].test.stop])
    return make_report(
        "walk-forward",
        sections,
        series=group,
        ledger=ledger,
        seen=Seen(),
        notes=[f"the final test, from {untouched} on, was not touched"],
        folds=[_tell(*fold) for fold in zip(range(1, folds + 1), sections, plan, strict=True)],
        seed=seed,
    )


def walk_forward_id(settings: TrainingSettings, candles: Candles, folds: int) -> str:
    """A short name of the evaluation; the same for the same settings, candles and folds."""
    return sha256(f"{settings_hash(settings)} {candles.sha256} {folds}".encode())[:16]


def _tell(number: int, section: Section, splits: Splits) -> dict[str, Any]:
    return {
        "fold": number,
        "parts": splits.times(section.candles),
        "evaluation": Evaluation.of(section.rollout, section.candles.step).to_json(),
    }


def plan_folds(bars: int, folds: int, settings: TrainingSettings, lookback: int) -> list[Splits]:
    """The parts of each fold, with an expanding training part.

    Of what precedes a test the last 15/85 validate, as in a plain training. Raises DataError
    where a part would be too small for the bucket, saying how many folds would fit.
    """
    if folds < 1:
        raise DataError(f"{folds} folds: at least one is needed")
    problem = _problem(bars, folds, settings, lookback)
    if problem:
        fitting = bisect.bisect_left(
            range(1, folds), True, key=lambda n: _problem(bars, n, settings, lookback) is not None
        )
        raise DataError(
            f"{settings.bucket}: {folds} folds do not fit into {bars:,} candles: {problem}; "
            f"{_advice(fitting, settings, lookback)}"
        )
    return _cut(bars, folds, gap=settings.max_horizon + 1 + lookback)


def _cut(bars: int, folds: int, gap: int) -> list[Splits]:
    usable = round((1 - TEST_SHARE) * bars)
    size = usable // (folds + 1)
    plan = []
    for start in range(usable - folds * size, usable, size or 1):
        validation = start - round(start * VALIDATION_SHARE / (TRAIN_SHARE + VALIDATION_SHARE))
        plan.append(
            Splits(
                slice(0, validation - gap),
                slice(validation, start - gap),
                slice(start, start + size),
            )
        )
    return plan


def _problem(bars: int, folds: int, settings: TrainingSettings, lookback: int) -> str | None:
    """What is too small in the first fold, the smallest one."""
    first = _cut(bars, folds, gap=settings.max_horizon + 1 + lookback)[:1]
    evaluated = max(LEAST_EVALUATED_DECISIONS * settings.min_horizon, settings.max_horizon) + 2
    needed = {
        "training": lookback + settings.min_horizon * settings.window + 2,
        "validation": evaluated,
        "test": evaluated,
    }
    for part, (name, least) in zip(first[0] if first else (), needed.items(), strict=False):
        found = max(0, part.stop - part.start)
        if found < least:
            return (
                f"the {name} part of the first has {found:,} candles and needs {least:,} "
                f"(MIN_HORIZON {settings.min_horizon}, MAX_HORIZON {settings.max_horizon}, windows "
                f"of {settings.window} decisions, look-back {lookback})"
            )
    return None if first else "there are not enough candles"


def _advice(fitting: int, settings: TrainingSettings, lookback: int) -> str:
    if fitting:
        return f"{fitting} would fit"
    needed = bisect.bisect_left(
        range(MOST_CANDLES), True, key=lambda n: _problem(n, 1, settings, lookback) is None
    )
    return f"not even one would fit; the bucket needs {needed:,} candles for that"
