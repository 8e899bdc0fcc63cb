"""What the card of a trained model (`model.json`) adds to what the history says of its bucket."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.api.service import Body
from btc_ai.history.answers import BucketRow, RunRow
from btc_ai.history.files import CARD, read_object

BASELINES = {"flat": "staying flat", "buy_and_hold": "buy and hold"}
ON_TEST = {
    "reward": "net_bps_per_bar", "validation_reward": "net_bps_per_bar",
    "profit_factor": "profit_factor",
}  # fmt: skip
"""Metrics of training, and what the evaluation on the held-out test calls them."""


@dataclass(frozen=True)
class Cards:
    """The cards of the models in one folder, which may have been elsewhere when they were made."""

    models_dir: Path

    def of(self, bucket: BucketRow) -> Body:
        """The card of the bucket's model; empty where there is none that can be read."""
        outcome = bucket.detail.get("outcome")
        folder = outcome.get("model") if isinstance(outcome, dict) else None
        if not isinstance(folder, str):
            return {}
        return read_object(self.models_dir.joinpath(*Path(folder).parts[-2:], CARD)) or {}

    def settings_hash(self, buckets: Sequence[BucketRow]) -> str | None:
        """The SHA-256 of what the models were trained with; None: none is finished."""
        settings = [card["settings"] for one in buckets if "settings" in (card := self.of(one))]
        if not settings:
            return None
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def data(self, run: RunRow, bucket: BucketRow | None = None) -> Body | None:
        """The candles of a run (or of one of its buckets), as a card of it says; in seconds."""
        for one in [bucket] if bucket else run.buckets:
            card = self.of(one)
            try:
                parts = card["parts"].values()
                return {
                    "symbol": run.symbol, "interval": run.interval, "synthetic": run.synthetic,
                    "start": min(start for start, _ in parts) / 1000,
                    "end": max(end for _, end in parts) / 1000,
                    "bars": card["bars"], "sha256": card["data_sha256"],
                }  # fmt: skip
            except (LookupError, TypeError, ValueError, AttributeError):
                continue
        return None

    def importance(self, bucket: BucketRow) -> list[Body]:
        """What each feature is worth, greatest first: name, mean, and its interval."""
        found = self.of(bucket).get("importance")
        rows = [
            {"name": name, "mean": one.get("drop"), "low": one.get("low"), "high": one.get("high")}
            for name, one in (found.items() if isinstance(found, dict) else ())
            if isinstance(one, dict)
        ]
        return sorted(rows, key=lambda one: -(one["mean"] or 0.0))


def baselines_of(bucket: BucketRow, names: Sequence[str]) -> Body:
    """Lines to draw beside some metrics: what others earn on the held-out test."""
    outcome = bucket.detail.get("outcome") or {}
    results: Body = outcome.get("evaluation") or {}
    found: dict[str, list[Any]] = {}
    for name in names:
        lines = [
            {"name": words, "value": value}
            for key, words in BASELINES.items()
            if (value := (results.get(key) or {}).get(ON_TEST.get(name, ""))) is not None
        ]
        if name == "profit_factor":
            lines.append({"name": "break even", "value": 1.0})
        if name.endswith("reward") and not results:
            lines.append({"name": BASELINES["flat"], "value": 0.0})
        if lines:
            found[name] = lines
    return found
