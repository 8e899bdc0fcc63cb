"""The service over a fake context, the feature on real numbers, and all of it in a real daemon."""

import asyncio
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from btc_ai_hello.feature import DAY_MS, weekday
from btc_ai_hello.service import HelloService, Said, Settings
from pydantic import ValidationError

from btc_ai.api.testing import FakeContext, ask
from btc_ai.api.testing_daemon import running_daemon, wait_for


def test_greets_and_says_so_on_the_bus() -> None:
    context = FakeContext("hello", settings=Settings(greeting="good morning"))
    service = HelloService(context)
    assert asyncio.run(ask(service, "hello.say", {"name": "Ada"})) == {"text": "good morning, Ada"}
    assert context.published == [Said(to="Ada")]


def test_an_unknown_field_is_refused() -> None:
    service = HelloService(FakeContext("hello", settings=Settings()))
    with pytest.raises(ValidationError):
        asyncio.run(ask(service, "hello.say", {"nmae": "Ada"}))


def test_counts_the_runs_that_end() -> None:
    async def run() -> None:
        context = FakeContext("hello", settings=Settings())
        service = HelloService(context)
        await service.start()
        for run, state in (("a", "running"), ("a", "failed"), ("a", "done"), ("b", "stopped")):
            await context.hear("training.run", {"run": run, "state": state})
        assert service.status() == {"said": 0, "runs": {"done": 1, "stopped": 1}}
        await context.close()

    asyncio.run(run())


def test_the_weekend_is_saturday_and_sunday() -> None:
    begin = datetime.fromisoformat("2024-01-01T00:00+00:00").timestamp() * 1000  # a Monday
    columns = weekday(SimpleNamespace(time=np.int64(begin) + np.arange(7) * DAY_MS))
    assert columns["weekend"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert columns["week_sin"][0] == pytest.approx(0, abs=1e-12)
    assert columns["week_cos"][0] == pytest.approx(1)


def test_in_a_real_daemon(tmp_path: Path) -> None:
    """The command, the setting, the feature that training audits and uses, and the subscriber."""
    bucket = {"MIN_HORIZON": 1, "MAX_HORIZON": 12, "FEATURES": ["price", "weekday"]}
    config = {
        "BUCKET_CONFIGS": {"Scalping": bucket},
        "PLUGINS": {"hello": {"SETTINGS": {"greeting": "servus"}}},
    }
    with running_daemon(tmp_path, config) as daemon:
        assert daemon.plugin("hello")["state"] == "ready"
        assert daemon.run("hello", "Ada") == "servus, Ada\n"
        shown = daemon.run("train", "--bucket", "Scalping", "--market", "sample", "--episodes", "2")
        assert "weekday" not in shown  # nothing to say against it
        wait_for(lambda: daemon.plugin("hello")["status"] == {"said": 1, "runs": {"done": 1}})
        card = (tmp_path / "Models/Scalping/latest/model.json").read_text()
        assert "weekend" in card
