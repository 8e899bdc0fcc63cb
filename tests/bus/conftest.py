import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from btc_ai.api.service import Command
from btc_ai.bus.broker import Broker
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.tasks import Tasks
from btc_ai.logs.capture import logger

T = TypeVar("T")


class Hub:
    """A real broker and dispatcher on an event loop in a thread of its own."""

    def __init__(self, runtime: Path, **options: Any) -> None:
        self.runtime, self._options = runtime, options
        self.dispatcher = Dispatcher(logger("dispatch"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.broker, self._tasks = self.do(self._start())

    async def _start(self) -> tuple[Broker, Tasks]:
        broker = Broker(
            self.runtime,
            lambda one, peer: self.dispatcher.handle(broker, one, peer),
            **self._options,
        )
        tasks = Tasks(logger("hub"))
        tasks.spawn("commands", broker.serve_commands(), forever=True)
        tasks.spawn("subscriptions", broker.serve_subscriptions(), forever=True)
        return broker, tasks

    def do(self, work: Coroutine[Any, Any, T], limit: float = 20) -> T:
        """The result of a coroutine on the hub's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit)

    def add(self, *commands: Command) -> None:
        self.dispatcher.add(commands)

    def publish(self, kind: str, source: str = "training", **body: Any) -> None:
        async def publish() -> None:
            self.broker.publish(kind, body, source=source)

        self.do(publish())

    async def _stop(self) -> None:
        await self._tasks.cancel()
        await self.dispatcher.tasks.cancel()
        self.broker.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def runtime() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="btc-ai-bus-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def hub(runtime: Path) -> Iterator[Hub]:
    made = Hub(runtime)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def make_hub() -> Callable[..., Hub]:
    return Hub
