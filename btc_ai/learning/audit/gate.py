"""The gate before training: a feature that is not built in must pass the quick checks first."""

import hashlib
import inspect
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btc_ai.config import BUILTIN_FEATURES
from btc_ai.errors import DataError
from btc_ai.learning.audit.audit import audit
from btc_ai.learning.files import disk_errors, replace_durably
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
    added = sorted(set(settings.features) - set(BUILTIN_FEATURES))
    if not added:
        return
    subject = {
        "features": list(settings.features),
        "candles_sha256": candles.sha256,
        "code": {name: _code(registry, name) for name in added},
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


def _code(registry: FeatureRegistry, name: str) -> str:
    """Hash of the file that the feature stands in, so that an updated plugin is audited again."""
    module = inspect.getmodule(registry.get(name).function)
    file = getattr(module, "__file__", None)
    return hashlib.sha256(Path(file).read_bytes() if file else b"").hexdigest()


def _passed(path: Path, subject: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(path.read_bytes())["subject"] == subject)
    except (OSError, ValueError, KeyError, TypeError):
        return False
