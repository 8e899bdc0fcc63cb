"""The leak audit of one bucket on one market: all checks, or the quick ones."""

from collections.abc import Callable

from btc_ai.learning.audit import canary, future, prefix, serving, shuffled
from btc_ai.learning.audit.report import AuditReport, Check
from btc_ai.learning.audit.subject import PRODUCT, QUICK, Effort, Pipeline, Subject, own_copy
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry

CHECKS: dict[str, Callable[[Subject], Check]] = {
    prefix.NAME: prefix.prefix_invariance,
    future.NAME: future.scrambled_future,
    shuffled.NAME: shuffled.shuffled_returns,
    canary.NAME: canary.gap_canary,
    serving.NAME: serving.train_serve_equality,
}
QUICK_CHECKS = (prefix.NAME, serving.NAME)


def audit(
    candles: Candles,
    registry: FeatureRegistry,
    settings: TrainingSettings,
    *,
    pipeline: Pipeline = PRODUCT,
    quick: bool = False,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] = lambda done, checks, name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> AuditReport:
    """Look for leaks; the same seed gives the same report.

    `quick` leaves it at the checks that need no training, with less effort. `on_progress` is told
    the checks done, their number, and the name of the next one or "". Raises DataError for candles
    that are too few and features that fail, are not finite, constant or of the wrong shape, and
    StepStoppedError once `should_stop` says so.
    """
    subject = Subject(
        own_copy(candles), registry, settings, pipeline, QUICK if quick else Effort(), seed,
        should_stop,
    )  # fmt: skip
    names = QUICK_CHECKS if quick else tuple(CHECKS)
    done: list[Check] = []
    with reproducible(settings.threads):
        for name in names:
            subject.stop_if_asked()
            on_progress(len(done), len(names), name)
            done.append(CHECKS[name](subject))
    on_progress(len(done), len(names), "")
    return AuditReport(
        bucket=settings.bucket,
        symbol=candles.symbol,
        interval=candles.interval,
        bars=len(candles),
        candles_sha256=candles.sha256,
        features=settings.features,
        checks=tuple(done),
    )
