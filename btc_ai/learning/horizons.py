"""Returns at several horizons: what the second head of the Q-network learns."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.network import QNetwork


def horizon_targets(dataset: Dataset, horizons: Sequence[int]) -> NDArray[np.float32]:
    """log(open[t+1+h] / open[t+1]) / (σ_t·√h) [bars, horizons].

    NaN where bars t … t+1+h have a hole or end, and where the outcome of a bar of one part
    would lie in the next part.
    """
    log_open, segments = dataset.log_open, dataset.segment_ids
    targets = np.full((len(log_open), len(horizons)), np.nan, dtype=np.float32)
    for column, h in enumerate(horizons):
        moved = log_open[h + 1 :] - log_open[1:-h]
        known = segments[h + 1 :] == segments[: -h - 1]
        scaled = moved / (dataset.volatility[: -h - 1] * np.sqrt(h))
        targets[: -h - 1, column] = np.where(known, scaled, np.nan)
        for boundary in (dataset.splits.validation.start, dataset.splits.test.start):
            targets[boundary - h - 1 : boundary, column] = np.nan
    return targets


def horizon_loss(
    predicted: Tensor, outcome: Tensor, count: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Huber loss over the known outcomes; both [n, horizons], unknown outcomes NaN.

    count: known outcomes in the whole batch, of which this may be a part. weights: [horizons],
    1 for each where not given.
    """
    known = ~outcome.isnan()
    error = functional.smooth_l1_loss(
        torch.where(known, predicted, 0),
        outcome.nan_to_num(0.0),
        reduction="sum" if weights is None else "none",
    )
    return error / count if weights is None else (error * weights).sum() / count


def horizon_skill(network: QNetwork, dataset: Dataset, part: slice) -> dict[int, float | None]:
    """Out-of-sample R² of each horizon's prediction against predicting 0; None where unknown."""
    horizons = network.horizons
    outcome = horizon_targets(dataset, horizons)[part]
    with torch.inference_mode():
        predicted = network(dataset.features[part].to(network.device))[1].cpu().numpy()
    skill: dict[int, float | None] = {}
    for column, h in enumerate(horizons):
        known = ~np.isnan(outcome[:, column]) & dataset.valid[part]
        truth = outcome[known, column].astype(np.float64)
        residual = truth - predicted[known, column]
        total = float(truth @ truth)
        skill[h] = 1 - float(residual @ residual) / total if total > 0 else None
    return skill
