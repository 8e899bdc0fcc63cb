"""The gate before training: a feature that is not built in must pass the quick checks first."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from btc_ai.config import BUILTIN_FEATURES
from btc_ai.durable import replace_durably
from btc_ai.errors import DataError
from btc_ai.learning.audit.audit import audit
from btc_ai.learning.files import code_sha256, disk_errors
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry

PASSED = "audit.json"

_log = logging.getLogger(__name__)


def require_sound_features(
    candles: Candles,
    registry: FeatureRegistry,
    settings: TrainingSettings,
    directory: Path,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Audit the bucket's features where any is not built in; a pass is kept in `directory`.

    A resumed run is not audited again, unless candles, features or their code have changed.
    Raises DataError naming the feature, TrainingError when `directory` cannot be written, and
    StepStoppedError once `should_stop` says so.
    """
    added = added_code(registry, settings.features)
    if not added:
        return
    subject = {
        "features": list(settings.features),
        "candles_sha256": candles.sha256,
        "code": added,
    }
    path = directory / PASSED
    if _passed(path, subject):
        return
    report = audit(candles, registry, settings, quick=True, should_stop=should_stop)
    if report.failures:
        raise DataError(_refusal(settings.bucket, report.failures))
    with disk_errors(path):
        directory.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"subject": subject, "report": report.to_json()}, indent=1)
        replace_durably(path, content.encode())
    names = ", ".join(added)
    _log.info("%s: no leak found in %s on %s", settings.bucket, names, candles.symbol)


def _refusal(bucket: str, failures: tuple[str, ...]) -> str:
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return (
        f"{bucket} is not trained, it would learn from a leak; {failures[0]}{more}; "
        f"`btc-ai audit --bucket {bucket}` shows all"
    )


def added_code(registry: FeatureRegistry, features: Sequence[str]) -> dict[str, str]:
    """Of each feature that is not built in, the SHA-256 of the file that it stands in.

    So an updated plugin is noticed; a change of other files that it imports is not. Raises
    DataError for a feature that there is not.
    """
    names = sorted(set(features) - set(BUILTIN_FEATURES))
    return {name: code_sha256(registry.get(name).function) for name in names}


def _passed(path: Path, subject: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_bytes())["subject"] == subject)
    except (OSError, ValueError, KeyError, TypeError):
        return False
