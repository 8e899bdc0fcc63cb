"""What a run was worth at 0, 5, 10, 25, 50 and 100 % of its budget: two runs are compared by it.

Compared are the weights that validation has chosen so far, not the latest ones: a run that trains
too long would make any other look good.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from btc_ai.learning.evaluation.accounting import BPS
from btc_ai.learning.evidence import Array
from btc_ai.learning.files import whole_lines

MILESTONES = "milestones.jsonl"
PERCENT = (5, 10, 25, 50, 100)


@dataclass(frozen=True)
class Milestone:
    """The weights chosen so far, after `episode` episodes, which are `share` of the budget.

    value: net bps a bar on the validation part. blocks: the means of its blocks, in the same unit
    [blocks] (`evidence.block_means`).
    """

    share: float
    episode: int
    value: float
    blocks: Array

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {**vars(self), "blocks": self.blocks.tolist()}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Milestone":
        """The milestone that `to_json` gave."""
        return cls(**{**row, "blocks": np.asarray(row["blocks"], dtype=np.float64)})

    @classmethod
    def of(cls, share: float, episode: int, value: float, log_returns: Array) -> "Milestone":
        """From block means in log-returns."""
        return cls(share, episode, value, log_returns * BPS)


def milestone_shares(episodes: int) -> dict[int, float]:
    """Episode → share of the budget; in a short run one episode stands for its largest share."""
    return {-(-percent * episodes // 100): percent / 100 for percent in PERCENT}


def read_milestones(directory: Path) -> list[Milestone]:
    """The milestones that the run in `directory` has passed; it may still be running."""
    lines = whole_lines(directory / MILESTONES)
    return [Milestone.from_json(json.loads(line)) for line in lines]
