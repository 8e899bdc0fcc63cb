"""What a finished model says about itself: `model.json`. Readable without torch."""

import json
from pathlib import Path
from typing import Any

from btc_ai.errors import TrainingError

FORMAT = 1
WEIGHTS = "model.safetensors"
CARD = "model.json"


def read_card(directory: Path) -> dict[str, Any]:
    """The metadata of the model in `directory`.

    Keys: format, bucket, created, columns, scaler, reward_scale, horizons, positions, symbol,
    interval, interval_ms, settings, data_sha256 and bars (of all candles), parts (train,
    validation, test as [start, end) in ms), seen (all parts ever trained or chosen on), episodes
    (with those of the models it continues), validation, evaluation, intervals (95 %, of the
    model and of buying and holding), horizon_skill, importance (of each feature on validation),
    transfer, lineage (with its ancestors), versions, weights_sha256. Cards from before symbol,
    interval, bars, parts, seen, reward_scale, importance and intervals were kept lack them.
    Raises TrainingError when there is no model, or one that this version cannot read.
    """
    path = directory / CARD
    try:
        card = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise TrainingError(
            f"there is no model in {directory}; train one with `btc-ai train`"
        ) from error
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); train the bucket again") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise TrainingError(
            f"{path} has format {found}, this version of BTC-AI reads {FORMAT}; train the bucket "
            "again or use the version that wrote it"
        )
    return card


def damaged_card(directory: Path, error: Exception) -> TrainingError:
    """What to say of a card in which a key is missing, or has a value of another type."""
    what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return TrainingError(
        f"{directory / CARD} is damaged ({what}); restore it from a backup or train the bucket "
        "again"
    )
