from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.executor import Done, Executor, Task
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.study.design import Study
from btc_ai.learning.study.study import run_study
from btc_ai.market.candles import Candles
from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.sample import sample_market


@pytest.fixture(scope="session")
def candles() -> Candles:
    return sample_market(4_000)


@pytest.fixture(scope="session")
def study() -> Study:
    """Two buckets, two seeds: eight runs of a fraction of a second."""
    return Study(tuple((bucket("A", 2, seed), bucket("B", 3, seed)) for seed in range(2)))


def bucket(name: str, horizon: int, seed: int) -> TrainingSettings:
    return TrainingSettings(
        name, horizon, 12 * horizon, ("price", "rsi"), buffer_size=300, batch_size=8, episodes=4,
        seed=seed,
    )  # fmt: skip


class Counting:
    """An executor that says what it was given."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner
        self.asked: list[str] = []

    def run(
        self, tasks: Sequence[Task], shared: Mapping[str, Any], should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        self.asked += [task.key for task in tasks]
        return self.inner.run(tasks, shared, should_stop)


def conduct(
    study: Study, candles: Candles, executor: Executor, folder: Path, **options: Any
) -> dict[str, Any]:
    return run_study(study, candles, builtin_features(), executor, folder, **options)
