"""Transfer of weights: from one bucket's network to another's, by feature name."""

from dataclasses import dataclass

import torch

from btc_ai.errors import TrainingError
from btc_ai.learning.network import QNetwork

FROZEN_UPDATES = 25
HORIZON_HEAD = "horizon_head."


@dataclass(frozen=True)
class ColumnPlan:
    """What a transfer does: columns `matched` by name, `new` in the target, `left` behind."""

    matched: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]


def match_columns(source: tuple[str, ...], target: tuple[str, ...]) -> ColumnPlan:
    """What has the same name in both, whatever its place."""
    return ColumnPlan(
        matched=tuple(column for column in target if column in source),
        new=tuple(column for column in target if column not in source),
        left=tuple(column for column in source if column not in target),
    )


def nothing_in_common(name: str, source: tuple[str, ...], target: tuple[str, ...]) -> TrainingError:
    """The error that says so; name: of the source."""
    return TrainingError(
        f"no feature in common with {name}: it has {', '.join(source)}; the target has "
        f"{', '.join(target)}. Give both buckets a feature with the same name, or train with "
        "--no-transfer"
    )


def transfer_weights(
    source: QNetwork, target: QNetwork, plan: ColumnPlan, *, unit: float, horizons: bool
) -> None:
    """Copy `source` into `target` in place.

    First-layer columns go by feature name and new ones start at zero; trunk and value head are
    copied, so that the target begins as the source's policy. unit: the source's σ·√MIN_HORIZON
    over the target's. U is a return in that unit and the known costs are too, so the value head
    is multiplied by it. horizons: the horizon head comes too, whose basis of log h carries over
    to other horizons; else it stays as it is. The source is left as it is.
    """
    weights = {
        name: tensor.clone()
        for name, tensor in source.state_dict().items()
        if horizons or not name.startswith(HORIZON_HEAD)
    }
    first = torch.zeros_like(target.input_layer.weight)
    for name in plan.matched:
        learned = source.input_layer.weight[:, source.columns.index(name)]
        first[:, target.columns.index(name)] = learned.detach()
    for name in ("values.weight", "values.bias"):
        weights[name] *= unit
    target.load_state_dict({**target.state_dict(), **weights, "trunk.0.weight": first})
