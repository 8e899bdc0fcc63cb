import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from btc_ai.api.testing import FakeLogger
from btc_ai.bus.broker import Broker
from btc_ai.config import Logging
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.logs import Logs
from btc_ai.daemon.tasks import Tasks
from tests.api.conftest import site  # noqa: F401  # a fixture of these tests too

REPOSITORY = Path(__file__).parents[2]


class Records(FakeLogger):
    """The plugin authors' logger, and a look at it."""

    def of(self, level: str) -> list[str]:
        return [event for kind, event, _ in self.kept if kind == level]


@dataclass
class Floor:
    """A broker with its tasks, and workers over it."""

    runtime: Path
    broker: Broker
    dispatcher: Dispatcher
    log: Records
    logs: Logs
    workers: list[ProcessWorker] = field(default_factory=list)

    def worker(self, **limits: Any) -> ProcessWorker:
        usual: dict[str, Any] = {"limit_s": 5.0, "term_limit_s": 2.0, "first_delay_s": 0.02}
        made = ProcessWorker(self.broker, self.runtime, self.logs, self.log, **{**usual, **limits})
        self.workers.append(made)
        return made

    def written(self) -> list[dict[str, Any]]:
        """What the log holds."""
        self.logs.flush()
        lines = (self.runtime / "Logs" / "btc_ai.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def floor(runtime: Path) -> AsyncIterator[Floor]:
    log = Records()
    logs = Logs(Logging(LOG_FORMAT="json"), runtime / "Logs", console=False)
    dispatcher = Dispatcher(log)
    broker = Broker(runtime, lambda one, peer: dispatcher.handle(broker, one, peer))
    tasks = Tasks(log)
    tasks.spawn("commands", broker.serve_commands(), forever=True)
    tasks.spawn("subscriptions", broker.serve_subscriptions(), forever=True)
    made = Floor(runtime, broker, dispatcher, log, logs)
    try:
        yield made
    finally:
        for worker in made.workers:
            await worker.close()
        await tasks.cancel()
        await dispatcher.tasks.cancel()
        broker.close()
        logs.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for_end(pid: int, limit: float = 10) -> None:
    end = time.monotonic() + limit
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} lives on"
        time.sleep(0.02)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children()]


async def until(what: Any, limit: float = 20) -> None:
    async with asyncio.timeout(limit):
        while not what():
            await asyncio.sleep(0.01)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    made = Path(tempfile.mkdtemp(prefix="btc-ai-d-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
