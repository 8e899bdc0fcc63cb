"""Where a run begins: from scratch, from another bucket's model, or from its own latest one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from btc_ai.errors import TrainingError
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.apply import Transfer, apply_transfer
from btc_ai.learning.transfer.knowledge import Knowledge
from btc_ai.learning.transfer.placebo import placebo
from btc_ai.names import TransferKind


@dataclass(frozen=True)
class InitialModel:
    """A finished model to begin with.

    `transfer`: carry over what another bucket learned, by the names of features and the lengths
    of horizons; `kinds` says what of it. `continue`: train the same bucket further, same features.
    placebo: scramble the source by this seed, so that nothing of what it knew is left. copy: where
    the run has kept the source's files, to be read instead of those in `path`.
    """

    path: Path
    kind: Literal["continue", "transfer"] = "transfer"
    kinds: tuple[TransferKind, ...] = ("weights",)
    placebo: int | None = None
    copy: Path | None = None

    @property
    def files(self) -> Path:
        """The directory to read the model from."""
        return self.copy or self.path


@dataclass(frozen=True)
class Start:
    """The network to begin with and the random generator, already advanced past its weights.

    guidance: what a transfer gives the learner besides. `origin` names the kind of start and the
    hash of the weights it took, None from scratch.
    """

    network: QNetwork
    generator: torch.Generator
    guidance: Guidance = NO_GUIDANCE
    trained: bool = False
    episodes_before: int = 0
    transfer: Transfer | None = None
    origin: str | None = None


def make_start(settings: TrainingSettings, dataset: Dataset, initial: InitialModel | None) -> Start:
    """Build the first network; raises TrainingError when the initial model does not fit."""
    if initial is None:
        network, generator = _fresh(settings, dataset.columns, episodes_before=0)
        return Start(network, generator)
    model = load_model(initial.files)
    if initial.kind == "continue":
        return _continue(settings, dataset.columns, model, initial)
    network, generator = _fresh(settings, dataset.columns, episodes_before=0)
    knowledge = Knowledge.of(model, initial.path)
    if initial.placebo is not None:
        knowledge = placebo(knowledge, initial.placebo)
    transfer, guidance = apply_transfer(
        knowledge,
        network,
        initial.kinds,
        sigma=dataset.reward_scale,
        min_horizon=settings.min_horizon,
        placebo=initial.placebo,
    )
    return Start(
        network, generator, guidance=guidance, transfer=transfer, origin=_origin(initial, model)
    )


def _origin(initial: InitialModel, model: Model) -> str:
    taken = f"{initial.kind} {model.weights_sha256}"
    if initial.kind == "transfer":
        taken += f" ({', '.join(sorted(initial.kinds))})"
    return taken if initial.placebo is None else f"{taken} placebo {initial.placebo}"


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
        origin=_origin(initial, model),
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
