"""What of a model could be handed to a bucket: read from its card, without loading it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from btc_ai.api.errors import TrainingError
from btc_ai.api.settings import require_bucket
from btc_ai.api.transfer import KINDS, expected_mb, switched_on
from btc_ai.config import Config
from btc_ai.names import TransferKind
from btc_ai.paths import latest_model
from btc_ai.plugins.transfer.messages import PlanBody

Body = dict[str, Any]


def source_of(config: Config, source: str) -> Path:
    """The directory of the model meant. Raises TrainingError where a bucket has none."""
    if source not in config.BUCKET_CONFIGS:
        if "/" in source:
            return Path(source)
        require_bucket(config, source)
    model = latest_model(config.MODELS_DIR, source)
    if model is None:
        raise TrainingError(
            f"{source} has no model to carry over from; train it first with "
            f"`btc-ai train --bucket {source}`"
        )
    return model


def plan(config: Config, body: PlanBody) -> Body:
    """What would be matched, is new, is left; `kinds` is empty and a `reason` says why not.

    Raises UsageError for a bucket that there is not, TrainingError for one without a model.
    """
    kinds = switched_on(config) if body.kinds is None else _in_order(body.kinds)
    if not kinds or not config.KNOWLEDGE_TRANSFER.ENABLED:
        return {"kinds": [], "reason": "KNOWLEDGE_TRANSFER switches it off"}
    directory = source_of(config, body.source)
    features, horizons = _target(config, body)
    card = directory / "model.json"
    try:
        model = json.loads(card.read_bytes())
        source, known = model["settings"]["bucket"], list(model["settings"]["features"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"kinds": [], "reason": f"the source model {card} cannot be read: {error}"}
    matched = [name for name in features if name in known]
    if not matched and kinds != ["horizons"]:
        return {"kinds": [], "reason": f"{source} and {body.target} share no feature"}
    return {
        "kinds": kinds,
        "source": source,
        "target": body.target,
        "model": str(directory),
        "weights_sha256": model.get("weights_sha256"),
        "matched": matched,
        "new": [name for name in features if name not in known],
        "left": [name for name in known if name not in features],
        "horizons": _overlap(model.get("horizons") or [], horizons),
        "expected_mb": expected_mb(kinds, _size(directory / "model.safetensors")),
        "notes": _notes(config, model, source, body.target, kinds),
    }


def _in_order(kinds: Sequence[TransferKind]) -> list[TransferKind]:
    return [kind for kind in KINDS if kind in kinds]


def _target(config: Config, body: PlanBody) -> tuple[list[str], tuple[int, int] | None]:
    section = config.BUCKET_CONFIGS.get(body.target)
    if section is None and body.features is None:
        require_bucket(config, body.target)
    features = body.features if body.features is not None else section.FEATURES if section else []
    return features, (section.MIN_HORIZON, section.MAX_HORIZON) if section else None


def _overlap(source: list[int], target: tuple[int, int] | None) -> Body:
    """Prediction horizons in bars, [least, most]; the overlap is None where there is none."""
    if not source or target is None:
        return {"source": source, "target": target, "overlap": None}
    low, high = max(min(source), target[0]), min(max(source), target[1])
    overlap = [low, high] if low <= high else None
    return {"source": [min(source), max(source)], "target": list(target), "overlap": overlap}


def _size(weights: Path) -> int:
    return weights.stat().st_size if weights.is_file() else 0


def _notes(
    config: Config, model: Body, source: str, target: str, kinds: list[TransferKind]
) -> list[str]:
    sequence = config.PROGRESSIVE_TRAINING.SEQUENCE
    notes = []
    if source in sequence and target in sequence:
        steps = sequence.index(target) - sequence.index(source)
        if steps != 1:
            notes.append(f"{source} and {target} are not neighbours in {' → '.join(sequence)}")
    if "features" in kinds and not model.get("importance"):
        notes.append(f"{source} keeps no feature importance; train it again to carry that over")
    return notes


def market_of_model(directory: str, sample: str) -> Body:
    """The market that a model was trained on, as `training.start` takes it; else as configured."""
    card = json.loads((Path(directory) / "model.json").read_bytes())
    symbol, interval = card.get("symbol"), card.get("interval")
    if symbol == sample:
        return {"market": "sample", "interval": interval}
    return {"symbol": symbol, "interval": interval}
