"""The leak audit of one bucket on one market: all checks, or the quick ones."""

from collections.abc import Callable

from btc_ai.learning.audit.canary import gap_canary
from btc_ai.learning.audit.future import scrambled_future
from btc_ai.learning.audit.prefix import prefix_invariance
from btc_ai.learning.audit.report import AuditReport, Check
from btc_ai.learning.audit.serving import train_serve_equality
from btc_ai.learning.audit.shuffled import shuffled_returns
from btc_ai.learning.audit.subject import PRODUCT, QUICK, Effort, Pipeline, Subject, own_copy
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry

ALL_CHECKS = (
    prefix_invariance, scrambled_future, shuffled_returns, gap_canary, train_serve_equality,
)  # fmt: skip
QUICK_CHECKS = (prefix_invariance, train_serve_equality)


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
    checks = QUICK_CHECKS if quick else ALL_CHECKS
    done: list[Check] = []
    with reproducible(settings.threads):
        for number, check in enumerate(checks):
            subject.stop_if_asked()
            on_progress(number, len(checks), check.__name__.replace("_", " "))
            done.append(check(subject))
    on_progress(len(checks), len(checks), "")
    return AuditReport(
        bucket=settings.bucket,
        symbol=candles.symbol,
        interval=candles.interval,
        bars=len(candles),
        candles_sha256=candles.sha256,
        features=settings.features,
        checks=tuple(done),
    )
