"""Where a run begins: from scratch, from another bucket's model, or from its own latest one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from btc_ai.errors import TrainingError
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.weights import FROZEN_UPDATES, WeightTransfer, transfer_weights


@dataclass(frozen=True)
class InitialModel:
    """A finished model to begin with.

    `continue`: train the same bucket further, same features. `transfer`: carry what another
    bucket learned over by feature name.
    """

    path: Path
    kind: Literal["continue", "transfer"]


@dataclass(frozen=True)
class Start:
    """The network to begin with and the random generator, already advanced past its weights.

    `origin` names the kind of start and the hash of the weights it took, None from scratch.
    """

    network: QNetwork
    generator: torch.Generator
    frozen_updates: int = 0
    trained: bool = False
    episodes_before: int = 0
    transfer: WeightTransfer | None = None
    origin: str | None = None


def make_start(
    settings: TrainingSettings, columns: tuple[str, ...], initial: InitialModel | None
) -> Start:
    """Build the first network; raises TrainingError when the initial model does not fit."""
    if initial is None:
        network, generator = _fresh(settings, columns, episodes_before=0)
        return Start(network, generator)
    model = load_model(initial.path)
    if initial.kind == "continue":
        return _continue(settings, columns, model, initial)
    network, generator = _fresh(settings, columns, episodes_before=0)
    transfer = transfer_weights(model.network, network)
    return Start(
        network,
        generator,
        frozen_updates=FROZEN_UPDATES,
        transfer=transfer,
        origin=f"{initial.kind} {model.weights_sha256}",
    )


def _continue(
    settings: TrainingSettings, columns: tuple[str, ...], model: Model, initial: InitialModel
) -> Start:
    if model.network.columns != columns:
        raise TrainingError(
            f"the model in {initial.path} has the features {', '.join(model.network.columns)}; "
            f"{settings.bucket} is configured with {', '.join(columns)}. Restore FEATURES to train "
            "it further, or train a new model"
        )
    network, generator = _fresh(settings, columns, episodes_before=model.episodes)
    network.load_state_dict(model.network.state_dict())
    return Start(
        network,
        generator,
        trained=True,
        episodes_before=model.episodes,
        origin=f"{initial.kind} {model.weights_sha256}",
    )


def _fresh(
    settings: TrainingSettings, columns: tuple[str, ...], episodes_before: int
) -> tuple[QNetwork, torch.Generator]:
    generator = seeded_generator(settings.seed, episodes_before)
    return QNetwork(columns, settings.horizons, generator), generator


def seeded_generator(seed: int, episodes_before: int) -> torch.Generator:
    """A generator of its own for every stretch of a model's training."""
    state = np.random.SeedSequence([seed, episodes_before]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
