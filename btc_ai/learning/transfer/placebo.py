"""A placebo: a source of the same make that knows nothing.

A transfer may help for reasons that have nothing to do with knowledge: the size of the weights, a
trunk that rests at first. A source whose entries have changed places has all of that and no more.
"""

import copy
import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import torch

from btc_ai.learning.network import QNetwork
from btc_ai.learning.transfer.knowledge import Knowledge

Key = TypeVar("Key")
Value = TypeVar("Value")


def placebo(knowledge: Knowledge, seed: int) -> Knowledge:
    """Entries permuted within each tensor, importance among features, R² among horizons."""
    generator = torch.Generator().manual_seed(seed)
    return dataclasses.replace(
        knowledge,
        network=_scrambled(knowledge.network, generator),
        importance=_shuffled(knowledge.importance, generator),
        skill=_shuffled(knowledge.skill, generator),
    )


def _scrambled(network: QNetwork, generator: torch.Generator) -> QNetwork:
    network = copy.deepcopy(network)
    with torch.no_grad():
        for weight in network.parameters():
            order = torch.randperm(weight.numel(), generator=generator)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return network


def _shuffled(values: Mapping[Key, Value], generator: torch.Generator) -> dict[Key, Value]:
    order = torch.randperm(len(values), generator=generator).tolist()
    entries = list(values.values())
    return dict(zip(values, (entries[place] for place in order), strict=True))
