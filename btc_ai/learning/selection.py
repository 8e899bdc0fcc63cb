"""Which weights of a run are kept: chosen on validation, by the one-standard-error rule."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from btc_ai.learning.evidence import Array, as_good

BEST, BLOCKS, PEAK = "best.", "blocks", "peak"

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Selection:
    """The averaged weights chosen so far; before the first validation, those of the start.

    blocks: the validation part's block means with them [blocks]; peak: those at the highest value,
    within one standard error of which they are, empty at first. Values are net bps a bar.
    trained: the start is a model of its own, which the run must not end below.
    """

    weights: Weights
    blocks: Array
    peak: Array
    trained: bool
    start_value: float
    best_episode: int = 0
    best_value: float | None = None
    peak_value: float | None = None

    @classmethod
    def begin(cls, weights: Weights, value: float, blocks: Array, *, trained: bool) -> "Selection":
        """At the start; one that is not `trained` is never chosen itself."""
        if trained:
            return cls(weights, blocks, blocks, trained, value, best_value=value, peak_value=value)
        return cls(weights, blocks, np.zeros(0), trained, value)

    @property
    def value(self) -> float:
        """Of the weights."""
        return self.start_value if self.best_value is None else self.best_value

    def after(
        self, episode: int, value: float, blocks: Array, weights: Callable[[], Weights]
    ) -> "Selection":
        """Having validated the latest weights."""
        selection = self
        if self._is_chosen(value, blocks):
            selection = dataclasses.replace(
                selection, weights=weights(), blocks=blocks, best_episode=episode, best_value=value
            )
        if self.peak_value is None or value >= self.peak_value:
            selection = dataclasses.replace(selection, peak=blocks, peak_value=value)
        return selection

    def _is_chosen(self, value: float, blocks: Array) -> bool:
        """The one-standard-error rule (Breiman et al. 1984, §3.4.3), for the latest weights.

        The highest value is often an early one's luck, and the later has learned more. A model
        that is trained further never ends below where it began.
        """
        if self.peak_value is None or value >= self.peak_value:
            return True
        return as_good(blocks, self.peak) and not (self.trained and value < self.start_value)

    def tensors(self) -> Weights:
        """What a checkpoint keeps besides `numbers`."""
        best = {f"{BEST}{name}": tensor for name, tensor in self.weights.items()}
        return {
            **best,
            BLOCKS: torch.tensor(self.blocks),
            PEAK: torch.tensor(self.peak),
        }

    def numbers(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {name: getattr(self, name) for name in NUMBERS}

    @classmethod
    def take_up(cls, tensors: Weights, numbers: dict[str, Any], *, trained: bool) -> "Selection":
        """From a checkpoint; removes its own from `tensors` and `numbers`."""
        own = {name: numbers.pop(name) for name in NUMBERS}
        blocks, peak = (tensors.pop(name).numpy() for name in (BLOCKS, PEAK))
        names = [name for name in tensors if name.startswith(BEST)]
        weights = {name.removeprefix(BEST): tensors.pop(name) for name in names}
        return cls(weights, blocks, peak, trained, **own)


NUMBERS = ("start_value", "best_episode", "best_value", "peak_value")
