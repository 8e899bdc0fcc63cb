from typing import Protocol

import pytest

from btc_ai.learning.memory.guard import MemoryGuard
from btc_ai.learning.memory.notes import MemoryLimits, MemoryNote
from btc_ai.learning.settings import TrainingSettings
from tests.learning.memory.faults import Card


@pytest.fixture(scope="session")
def chunked() -> TrainingSettings:
    """Two chunks an update, three updates an episode, three episodes."""
    return TrainingSettings(
        "Small", 2, 24, ("price",), buffer_size=768, batch_size=64, window=4, episodes=3, seed=5
    )


class MakeGuard(Protocol):
    def __call__(
        self, *, gpu: bool = True, limits: MemoryLimits | None = None
    ) -> tuple[MemoryGuard, list[MemoryNote]]: ...


@pytest.fixture
def make_guard() -> MakeGuard:
    """A guard on a card of the test's, and what it tells."""

    def make(
        *, gpu: bool = True, limits: MemoryLimits | None = None
    ) -> tuple[MemoryGuard, list[MemoryNote]]:
        notes: list[MemoryNote] = []
        card = Card() if gpu else None
        guard = MemoryGuard(
            "Small", gpu=card, host=Card("host"), limits=limits, on_memory=notes.append
        )
        return guard, notes

    return make
