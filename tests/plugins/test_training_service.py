"""`training.start`, without a daemon."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.step import StepStoppedError
from btc_ai.api.testing import FakeContext, FakeStep, ask, settle
from btc_ai.config import Config
from btc_ai.errors import TrainingError, UsageError
from btc_ai.plugins.training import arms, service
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


reached = threading.Event()
"""Whether the run of `until_reached` may come to its next checkpoint."""


def until_reached(arguments: dict[str, Any], step: FakeStep) -> dict[str, Any]:
    """A step that stops at a checkpoint once it has `reached` one."""
    while not (step.should_stop() and reached.is_set()):
        time.sleep(0.005)
    raise StepStoppedError("stopped at a checkpoint")


def test_a_run_that_is_to_stop_says_so_until_it_has(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "TRAIN", f"{__name__}:until_reached")
    reached.clear()

    async def work() -> None:
        made = service.TrainingService(context)
        await made.start()
        await ask(made, "training.start", {"market": "sample", "bucket": "Short"})
        while (await ask(made, "training.show"))["steps"][0]["state"] != "running":
            await settle()
        assert (await ask(made, "training.show"))["wanted"] is None
        pausing = asyncio.create_task(ask(made, "training.pause"))
        await settle()
        assert context.published[-1].model_dump()["wanted"] == "paused"
        for kind, body in (("continue", {}), ("start", {"resume": True, "bucket": "Short"})):
            with pytest.raises(TrainingError, match="is being paused, at its next checkpoint"):
                await ask(made, f"training.{kind}", body)
        stopping = asyncio.create_task(ask(made, "training.stop"))
        await settle()
        assert (await ask(made, "training.show"))["wanted"] == "stopped"
        reached.set()
        for ended in (await pausing, await stopping):
            assert (ended["state"], ended["wanted"]) == ("stopped", None)
        await context.close()

    asyncio.run(work())
