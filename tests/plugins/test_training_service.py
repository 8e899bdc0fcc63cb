"""`training.start`, without a daemon."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.testing import FakeContext, ask
from btc_ai.config import Config
from btc_ai.errors import UsageError
from btc_ai.plugins.training import service
from btc_ai.plugins.training.plan import KIND


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return FakeContext("training", config=Config(MODELS_DIR=tmp_path, DATA_DIR=tmp_path))


def failing(*arguments: Any) -> list[str]:
    raise OSError("no /proc")


async def start(context: FakeContext, **body: Any) -> dict[str, Any]:
    made = service.TrainingService(context)
    return await ask(made, "training.start", {"market": "sample", **body})


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Advice that comes once this is set."""
    asked_enough = threading.Event()

    def advise(*arguments: Any) -> list[str]:
        asked_enough.wait(30)
        return ["late"]

    monkeypatch.setattr(service, "training_advice", advise)
    return asked_enough


def test_a_run_starts_without_advice_that_is_late(
    context: FakeContext, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ADVICE_LIMIT_S", 0.05)

    async def work() -> None:
        try:
            answer = await start(context, bucket="Short")
        finally:
            slow.set()
        assert answer["state"] == "queued" and answer["warnings"] == []

    asyncio.run(work())


def test_a_run_starts_without_advice_that_fails(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "training_advice", failing)
    assert asyncio.run(start(context, bucket="Short"))["warnings"] == []


def test_a_start_that_is_given_up_leaves_no_run(
    context: FakeContext, slow: threading.Event
) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await start(context, bucket="Short")
        slow.set()

    asyncio.run(give_up())
    assert context.journal.jobs(KIND) == []


def test_buckets_that_cannot_be_are_refused(context: FakeContext) -> None:
    for sequence in (["Short", "Short"], ["Shrt"]):
        with pytest.raises(UsageError):
            asyncio.run(start(context, sequence=sequence))
    assert context.journal.jobs(KIND) == []
