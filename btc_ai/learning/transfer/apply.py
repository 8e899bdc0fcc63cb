"""One transfer, of any of the three kinds, to a network that is to be trained."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from btc_ai.api.transfer import KINDS
from btc_ai.errors import TrainingError
from btc_ai.learning.learners.learner import Guidance
from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.gates import InputGates, gate_priors
from btc_ai.learning.transfer.horizons import horizon_weights
from btc_ai.learning.transfer.knowledge import Knowledge
from btc_ai.learning.transfer.weights import (
    FROZEN_UPDATES,
    match_columns,
    nothing_in_common,
    transfer_weights,
)  # fmt: skip
from btc_ai.market.features import feature_of
from btc_ai.names import TransferKind


@dataclass(frozen=True)
class Transfer:
    """What a transfer did.

    kinds: those that had something to carry. source: bucket, weights_sha256 and path of the model.
    matched, new, left: columns. horizons: the horizon head's loss weights at the start, and gates:
    the input gates at the start, by horizon and by feature; empty without those kinds. placebo: the
    seed that the source was scrambled with, None where it was not.
    """

    kinds: tuple[TransferKind, ...]
    source: dict[str, Any]
    matched: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]
    horizons: dict[str, float]
    gates: dict[str, float]
    placebo: int | None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        plain = dataclasses.asdict(self)
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()
        }


def apply_transfer(
    knowledge: Knowledge,
    network: QNetwork,
    asked: tuple[TransferKind, ...],
    *,
    sigma: float,
    min_horizon: int,
    placebo: int | None = None,
) -> tuple[Transfer, Guidance]:
    """Begin `network`, fresh, with what is known; the source is left as it is.

    sigma, min_horizon: of the target. A kind that the source kept nothing for is left out. Raises
    TrainingError where that leaves none, and where weights or features are asked for and there is
    no column in common.
    """
    loss_weights = horizon_weights(knowledge.skill, network.horizons)
    kinds = _possible(knowledge, asked, horizons=loss_weights is not None)
    plan = match_columns(knowledge.network.columns, network.columns)
    if not plan.matched and kinds != ("horizons",):
        raise nothing_in_common(knowledge.name, knowledge.network.columns, network.columns)
    if "weights" in kinds:
        unit = knowledge.unit(sigma, min_horizon)
        transfer_weights(knowledge.network, network, plan, unit=unit, horizons="horizons" in asked)
    guidance = Guidance(
        frozen_updates=FROZEN_UPDATES if "weights" in kinds else 0,
        teacher=_teacher(knowledge, network) if "weights" in kinds else None,
        horizon_weights=loss_weights if "horizons" in kinds else None,
    )
    if "features" in kinds:
        _add_gates(knowledge, network, carried="weights" in kinds)
    done = Transfer(
        kinds=kinds,
        source=knowledge.source,
        matched=plan.matched,
        new=plan.new,
        left=plan.left,
        horizons=_horizons_of(network, guidance.horizon_weights),
        gates=_gates_of(network),
        placebo=placebo,
    )
    return done, guidance


def _possible(
    knowledge: Knowledge, asked: tuple[TransferKind, ...], *, horizons: bool
) -> tuple[TransferKind, ...]:
    """The kinds asked for that the source has something to give for."""
    there: dict[TransferKind, bool] = {
        "weights": True,
        "features": bool(knowledge.importance),
        "horizons": horizons or "weights" in asked,
    }
    kinds = tuple(kind for kind in KINDS if kind in asked and there[kind])
    if not kinds:
        raise TrainingError(
            f"{knowledge.name} keeps nothing of what is to be carried over "
            f"({', '.join(asked) or 'no kind'}); carry weights, or train it again with this version"
        )
    return kinds


def _teacher(knowledge: Knowledge, network: QNetwork) -> QNetwork | None:
    """The network as it begins, which sees the target's features as the source would."""
    return None if knowledge.abstains else copy.deepcopy(network)


def _add_gates(knowledge: Knowledge, network: QNetwork, *, carried: bool) -> None:
    """Gates at their priors; first-layer columns that were carried over are divided by them.

    So the target still begins as its source's policy, and the gates say how fast each feature's
    columns are learned on.
    """
    features = tuple(dict.fromkeys(map(feature_of, network.columns)))
    gates = InputGates(network.columns, gate_priors(knowledge.importance, features))
    if carried:
        with torch.no_grad():
            network.input_layer.weight.div_(gates.scale)
    network.gates = gates


def _gates_of(network: QNetwork) -> dict[str, float]:
    if network.gates is None:
        return {}
    owners = map(feature_of, network.columns)
    return dict(zip(owners, network.gates.scale.tolist(), strict=True))


def _horizons_of(network: QNetwork, weights: tuple[float, ...] | None) -> dict[str, float]:
    if weights is None:
        return {}
    return dict(zip(map(str, network.horizons), weights, strict=True))
