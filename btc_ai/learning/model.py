"""A finished model: `model.safetensors` beside `model.json`, the card being the commit point."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from btc_ai.durable import Write, replace_durably, write_durably
from btc_ai.errors import DataError, TrainingError
from btc_ai.learning.files import disk_errors, sha256
from btc_ai.learning.model_card import CARD, FORMAT, WEIGHTS, damaged_card, read_card
from btc_ai.learning.network import QNetwork
from btc_ai.market.scaler import RobustScaler


@dataclass(frozen=True)
class Model:
    """A network to act with, the scaler its features need, and its card."""

    network: QNetwork
    scaler: RobustScaler
    card: dict[str, Any]

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        return str(self.card["weights_sha256"])

    @property
    def episodes(self) -> int:
        """Episodes trained, with those of the models that this one continues."""
        return int(self.card["episodes"])


def save_model(
    directory: Path, network: QNetwork, card: dict[str, Any], write: Write = write_durably
) -> dict[str, Any]:
    """Write the model and give back its card, with format and hash; raises TrainingError."""
    weights = save(weights_of(network))
    complete = {"format": FORMAT, **card, "weights_sha256": sha256(weights)}
    with disk_errors(directory / WEIGHTS):
        directory.mkdir(parents=True, exist_ok=True)
        replace_durably(directory / WEIGHTS, weights, write)
        replace_durably(directory / CARD, json.dumps(complete, indent=1).encode(), write)
    return complete


def load_model(directory: Path) -> Model:
    """The model in `directory`, its hash verified; raises TrainingError for anything else."""
    card = read_card(directory)
    path = directory / WEIGHTS
    try:
        said = card["weights_sha256"]
        network = QNetwork(card["columns"], card["horizons"], torch.Generator())
        scaler = RobustScaler.from_json(json.dumps(card["scaler"]))
    except (KeyError, TypeError, ValueError, AttributeError, DataError) as error:
        raise damaged_card(directory, error) from error
    try:
        content = path.read_bytes()
        if sha256(content) != said:
            raise ValueError(f"its SHA-256 is not the one in {CARD}")
        network.load_state_dict(load(content))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise TrainingError(
            f"{path} cannot be used ({error}); restore it from a backup or train the bucket again"
        ) from error
    return Model(network, scaler, card)


def hash_weights(network: QNetwork) -> str:
    """The hash that the weights file of `network` has."""
    return sha256(save(weights_of(network)))


def weights_of(network: QNetwork) -> dict[str, Tensor]:
    """Copies of the weights on the CPU, by name."""
    return {name: t.detach().cpu().clone() for name, t in network.state_dict().items()}
