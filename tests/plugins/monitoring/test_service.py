"""The service over a fake bus, a real database and GPUs that fail."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest

from btc_ai.api.errors import BtcAiError
from btc_ai.api.testing import FakeContext, ask
from btc_ai.config import Config
from btc_ai.history.queries import History
from btc_ai.history.writer import Writer
from btc_ai.paths import history_file
from btc_ai.plugins.monitoring.messages import Alert, Report, Sample
from btc_ai.plugins.monitoring.sampler import Sampler
from btc_ai.plugins.monitoring.service import MonitoringService
from tests.history.conftest import Bus, run_view, step_view
from tests.plugins.monitoring.cards import GIB, Cards

Body = dict[str, Any]
Work = Callable[["Bench"], Awaitable[None]]


class Bench:
    """A service under way."""

    def __init__(self, config: Config, room: int = 1000) -> None:
        self.config, self.cards = config, Cards()
        self.context = FakeContext(
            "monitoring", config=config, events=(Alert, Report, Sample),
            may_send=("daemon.status", "training.runs"),
        )  # fmt: skip
        self.runs: list[Body] = []
        status = {"pid": 1, "plugins": [{"name": "quiet", "pid": None}], "workers": []}
        self.context.answers = {
            "daemon.status": lambda body: status,
            "training.runs": self._runs,
        }
        self.service = MonitoringService(self.context, self.cards)
        self.service._writer = Writer(
            config, self.context.log, on_change=self.service._writer_changed, room=room,
            first_delay_s=0.05, gather_s=0.02,
        )  # fmt: skip

    def _runs(self, body: Body) -> Body:
        if body["limit"] > 100:
            raise BtcAiError("the reply cannot be sent")
        return {"runs": self.runs}

    def alerts(self, what: str) -> list[str]:
        """The levels of the alerts so far."""
        told = [one for one in self.context.published if isinstance(one, Alert)]
        return [one.level for one in told if one.what == what]

    def episodes(self) -> list[int]:
        """The episodes in the history."""
        with History.open(self.config) as history:
            curves = history.curves("abc234", 0, ["reward"])
            return curves[0].episode if curves else []

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until `what()` holds."""
        async with asyncio.timeout(20):
            while not what():
                await asyncio.sleep(0.02)

    async def tell(self, *numbers: int) -> None:
        """Let the service hear of the ends of episodes."""
        bus = Bus()
        for number in numbers:
            await self.context.hear("training.progress", bus.episode(number).body)


def bench(tmp_path: Path, work: Work, *, room: int = 1000) -> None:
    raw = {"MODELS_DIR": str(tmp_path), "MONITORING": {"UPDATE_INTERVAL": 0.5},
           "MEMORY_WARNING_PERCENT": 0.85}  # fmt: skip

    async def run() -> None:
        here = Bench(Config.model_validate(raw), room)
        try:
            await here.service.start()
            await here.until(lambda: bool(here.context._subscribers))
            await work(here)
        finally:
            await here.context.close()
            await here.service.stop()

    asyncio.run(run())


def test_what_is_heard_is_written_and_can_be_asked_for(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await here.context.hear("training.run", run_view())
        await here.tell(1, 2, 3)
        await here.until(lambda: here.service._writer.settled)
        service = here.service
        found = await ask(service, "monitoring.curves", {"run": "abc234", "names": ["reward"]})
        assert found["curves"][0]["mean"] == [0.1, 0.2, 0.3]
        (event,) = (await ask(service, "monitoring.events", {"run": "abc234"}))["events"]
        assert event["kind"] == "training.run"
        await here.until(lambda: service.status()["gpu_state"] is not None)
        sample = next(one for one in here.context.published if isinstance(one, Sample))
        assert [one.name for one in sample.processes] == ["daemon"]
        await here.context.hear("monitoring.sample", sample.model_dump(mode="json"))
        await here.until(lambda: service._writer.settled)
        asked = {"start": 0, "end": 2e9, "names": ["gpu.*", "host.cpu"]}
        names = [one["name"] for one in (await ask(service, "monitoring.system", asked))["series"]]
        assert "gpu.0.power_w" in names and names[-1] == "host.cpu"
        status = await ask(service, "monitoring.status")
        assert status["history"]["degraded"] is None and status["gpu_state"] == "ok"
        assert len(service.snapshot().episodes) == 1
        await here.context.hear("training.run", run_view(state="done"))
        assert service.snapshot().episodes == []

    bench(tmp_path, work)


def test_folders_are_read_at_the_start_and_after_a_loss(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [f'{{"episode": {number}, "reward": 1.0}}\n' for number in range(1, 6)]
    (folder / "metrics.jsonl").write_text("".join(rows[:3]))

    async def work(here: Bench) -> None:
        await here.until(lambda: here.service._writer.settled)
        assert here.episodes() == []
        here.runs = [run_view(step_view(directory=str(folder), episode=3))]
        lossy = Bus().episode(4)
        queue = here.context._subscribers[-1]
        queue.put_nowait(type(lossy)(**{**vars(lossy), "seq": 9, "epoch": "test", "lost": 5}))
        await here.until(lambda: here.episodes() == [1, 2, 3, 4])

    bench(tmp_path, work)


def test_a_degraded_history_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await here.tell(1)
        await here.until(lambda: here.service._writer.settled)
        lock = sqlite3.connect(history_file(tmp_path), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        await here.tell(*range(2, 30))
        await here.until(lambda: here.alerts("history") == ["warning"])
        assert here.service.status()["history"]["degraded"] == "database is locked"
        lock.execute("ROLLBACK")
        lock.close()
        await here.until(lambda: here.alerts("history") == ["warning", "ok"])
        await here.until(lambda: here.episodes() == list(range(1, 30)))

    bench(tmp_path, work, room=5)


def test_a_driver_that_goes_and_comes_back_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btc_ai.plugins.monitoring.gpus.RETRY_S", 0.1)

    async def work(here: Bench) -> None:
        await here.until(lambda: here.service.status()["gpu_state"] == "ok")
        here.cards.used = [15 * GIB]
        await here.until(lambda: here.alerts("memory") == ["limit"])
        here.cards.driver = pynvml.NVML_ERROR_UNKNOWN
        await here.until(lambda: here.alerts("gpu") == ["warning"])
        assert here.service.status()["gpu_state"] == "lost"
        here.cards.driver = None
        await here.until(lambda: here.alerts("gpu") == ["warning", "ok"])

    bench(tmp_path, work)


def test_a_driver_that_hangs_holds_up_no_sample(tmp_path: Path) -> None:
    async def run() -> None:
        here = Bench(Config.model_validate({"MODELS_DIR": str(tmp_path)}))
        sampler = Sampler(here.context, here.cards, gpu_limit_s=0.1)
        assert len((await sampler.take()).gpus) == 1
        here.cards.answers.clear()
        for _ in range(2):
            sample = await sampler.take()
            assert (sample.gpus, sample.gpu_state) == ([], "lost")
            assert "has not answered for 0.1 s" in sample.gpu_detail
            assert sample.processes
        here.cards.answers.set()
        async with asyncio.timeout(10):
            while (await sampler.take()).gpu_state != "ok":
                await asyncio.sleep(0.01)

    asyncio.run(run())
