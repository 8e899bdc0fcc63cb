"""Knowledge transfer by weights: from one bucket's network to another's, by feature name."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from btc_ai.errors import TrainingError
from btc_ai.learning.network import QNetwork

FROZEN_UPDATES = 25


@dataclass(frozen=True)
class WeightTransfer:
    """What a transfer did: columns `matched` by name, `new` in the target, `left` behind."""

    matched: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {name: list(columns) for name, columns in dataclasses.asdict(self).items()}


def plan_transfer(source: tuple[str, ...], target: tuple[str, ...]) -> WeightTransfer:
    """What `transfer_weights` would match; raises TrainingError when nothing has the same name."""
    plan = WeightTransfer(
        matched=tuple(name for name in target if name in source),
        new=tuple(name for name in target if name not in source),
        left=tuple(name for name in source if name not in target),
    )
    if not plan.matched:
        raise TrainingError(
            f"no feature in common: the source has {', '.join(source)}; the target has "
            f"{', '.join(target)}. Give both buckets a feature with the same name, or train with "
            "--no-transfer"
        )
    return plan


def transfer_weights(source: QNetwork, target: QNetwork) -> WeightTransfer:
    """Copy `source` into `target` in place.

    First-layer columns go by feature name and new ones start at zero, so that the target begins
    as the source's policy; trunk and both heads are copied, and the horizon head's basis of log h
    carries over to other horizons. The optimizer starts afresh, the averaged weights at the
    copy, and the trunk rests for `FROZEN_UPDATES` updates while the heads settle (the learner's
    `frozen_updates`). The source is left as it is. Raises TrainingError as `plan_transfer`.
    """
    plan = plan_transfer(source.columns, target.columns)
    weights = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    first = torch.zeros_like(target.input_layer.weight)
    for name in plan.matched:
        learned = source.input_layer.weight[:, source.columns.index(name)]
        first[:, target.columns.index(name)] = learned.detach()
    target.load_state_dict({**weights, "trunk.0.weight": first})
    return plan
