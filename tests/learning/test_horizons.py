import dataclasses

import numpy as np
import pytest
import torch

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.horizons import horizon_loss, horizon_skill, horizon_targets
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


@pytest.fixture
def dataset(walk: Candles, small: TrainingSettings) -> Dataset:
    holed = walk.take(np.setdiff1d(np.arange(len(walk)), [2_000]))
    return Dataset.from_candles(holed, builtin_features(), small)


def test_targets_are_standardised_returns_from_the_next_open(dataset: Dataset) -> None:
    targets = horizon_targets(dataset, (2, 24))
    moved = dataset.log_open[525] - dataset.log_open[501]
    assert targets[500, 1] == pytest.approx(
        moved / (dataset.volatility[500] * np.sqrt(24)), rel=1e-5
    )


def test_targets_reach_neither_over_a_hole_nor_into_the_next_part(dataset: Dataset) -> None:
    known = ~np.isnan(horizon_targets(dataset, (2, 24)))
    ends = (2_000, dataset.splits.validation.start, dataset.splits.test.start, len(dataset))
    for column, h in enumerate((2, 24)):
        unknown = [bar for end in ends for bar in range(end - h - 1, end)]
        assert np.flatnonzero(~known[:, column]).tolist() == sorted(unknown)


def test_the_purge_keeps_every_training_outcome(dataset: Dataset, small: TrainingSettings) -> None:
    last = dataset.splits.train.stop - 1
    assert not np.isnan(horizon_targets(dataset, small.horizons)[last]).any()


def test_unknown_outcomes_weigh_nothing() -> None:
    predicted = torch.tensor([[1.0, 5.0]], requires_grad=True)
    loss = horizon_loss(predicted, torch.tensor([[0.5, torch.nan]]), torch.tensor(1))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.125)
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [[0.5, 0.0]]


def test_predicting_nothing_has_no_skill(dataset: Dataset, small: TrainingSettings) -> None:
    network = QNetwork(dataset.columns, small.horizons, torch.Generator().manual_seed(0))
    skill = horizon_skill(network, dataset, dataset.splits.test)
    assert skill == dict.fromkeys(small.horizons, 0.0)


def test_where_no_outcome_is_known_skill_is_none(dataset: Dataset, small: TrainingSettings) -> None:
    network = QNetwork(dataset.columns, small.horizons, torch.Generator().manual_seed(0))
    unknown = dataclasses.replace(dataset, segment_ids=np.arange(len(dataset)))
    assert set(horizon_skill(network, unknown, dataset.splits.test).values()) == {None}
