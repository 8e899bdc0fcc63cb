"""What a finished model knows that another bucket can begin with."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.learning.model import Model
from btc_ai.learning.model_card import damaged_card
from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.gates import Importance


@dataclass(frozen=True)
class Knowledge:
    """A source, ready to be carried over.

    importance: by feature; empty where the model kept none, as those of earlier versions. skill:
    out-of-sample R² by horizon, likewise. unit: σ·√MIN_HORIZON, in which its values are; None
    where σ was not kept. abstains: its value head was set flat and has no policy to teach.
    """

    network: QNetwork
    importance: Importance
    skill: dict[int, float | None]
    min_horizon: int
    sigma: float | None
    abstains: bool
    source: dict[str, Any]

    @classmethod
    def of(cls, model: Model, path: Path) -> "Knowledge":
        """Of the model in `path`. Raises TrainingError for a card that is not as it should be."""
        try:
            return cls._of(model, path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged_card(path, error) from error

    @classmethod
    def _of(cls, model: Model, path: Path) -> "Knowledge":
        card = model.card
        skill = card["validation"].get("horizon_skill", {})
        return cls(
            network=model.network,
            importance={
                name: {key: float(each[key]) for key in ("drop", "se", "low", "high")}
                for name, each in card.get("importance", {}).items()
            },
            skill={int(h): None if r2 is None else float(r2) for h, r2 in skill.items()},
            min_horizon=int(card["settings"]["min_horizon"]),
            sigma=None if card.get("reward_scale") is None else float(card["reward_scale"]),
            abstains=bool(card["validation"].get("abstains", False)),
            source={
                "bucket": card["bucket"],
                "weights_sha256": model.weights_sha256,
                "path": str(path),
            },
        )

    @property
    def name(self) -> str:
        """The source in messages."""
        return f"the model of {self.source['bucket']} in {self.source['path']}"

    def unit(self, sigma: float, min_horizon: int) -> float:
        """Its unit of value over that of a bucket with this σ of a bar and MIN_HORIZON."""
        return (self.sigma or sigma) / sigma * math.sqrt(self.min_horizon / min_horizon)
