"""The service over a fake bus, a real update server and the real process that asks it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.errors import UpdateError
from btc_ai.api.messages import Event
from btc_ai.api.testing import FakeContext, ask, settle
from btc_ai.config import Config, load_config
from btc_ai.plugins.update.messages import Available, Downloading, State
from btc_ai.plugins.update.schedule import NOT_WITHIN_S, RETRY_S, STARTUP_S
from btc_ai.plugins.update.service import UpdateService
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import JOURNAL, Order, Progress
from tests.updates.network.publishing import Handler, Served, new_publisher, serving

NOW = 1_800_000_000.0


class Context(FakeContext):
    """One whose configuration is a file."""

    def read_config(self) -> Config:
        return load_config(self.config_file)


class Bench:
    """A service under way, its clock in hand."""

    def __init__(self, served: Served, folder: Path, **settings: Any) -> None:
        self.served, self.now = served, NOW
        self.file = folder / "btc_ai.json"
        self.context = Context(
            "update", events=(Available, Downloading, State), may_send=("daemon.status",),
            config=self.configure(**settings),
        )  # fmt: skip
        self.context.config_file = self.file
        self.service = UpdateService(
            self.context, layout=served.layout, clock=lambda: self.now, draw=0.0, tick_s=0.01
        )

    def configure(self, **settings: Any) -> Config:
        """Write UPDATE_SYSTEM anew."""
        raw = {"UPDATE_SYSTEM": {**self.served.settings, **settings}}
        self.file.write_text(json.dumps(raw))
        return Config.model_validate(raw, context={"base": self.file.parent})

    @property
    def asked(self) -> int:
        """How often the server was."""
        return sum("timestamp.json" in one for one in self.served.server.asked)

    def events(self, kind: type[Event]) -> list[Any]:
        return [one for one in self.context.published if isinstance(one, kind)]

    def logged(self, level: str) -> list[str]:
        return [event for at, event, _ in self.context.log.kept if at == level]

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not what():
                await asyncio.sleep(0.01)

    async def until_told(self, step: str) -> None:
        await self.until(lambda: step in [one.step for one in self.events(State)])


def bench(tmp_path: Path, work: Callable[[Bench], Awaitable[None]], **settings: Any) -> None:
    publisher = new_publisher(tmp_path / "publisher")
    publisher.release("0.2.0", {"btc_ai": b"two" * 1000}, changelog="- Better.\n")

    async def run(served: Served) -> None:
        made = Bench(served, tmp_path, **settings)
        await made.service.start()
        try:
            await work(made)
        finally:
            await made.context.close()

    with serving(publisher, Layout(tmp_path / "machine")) as served:
        asyncio.run(run(served))


def unavailable(handler: Handler) -> bool:
    handler.send_error(503)
    return True


def test_it_asks_when_it_is_time_tells_once_and_is_patient(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await asyncio.sleep(0.1)
        assert here.asked == 0, "the daemon begins first"
        here.now += STARTUP_S
        await here.until(lambda: bool(here.events(Available)))
        (told,) = here.events(Available)
        assert (told.version, told.current) == ("0.2.0", "0.1.0") and "Better" in str(told.news)
        assert here.logged("info")[0].startswith("0.2.0 is there; ")
        status = here.service.status()
        assert status["available"] == "0.2.0" and status["todo"] and not status["trouble"]

        here.now += 7 * 24 * 3600
        here.served.server.act = unavailable
        await here.until(lambda: bool(here.logged("warning")))
        assert "answers 503" in here.service.status()["trouble"]
        asked = here.asked
        here.now += RETRY_S - 1
        await asyncio.sleep(0.1)
        assert here.asked == asked
        here.served.server.act = lambda handler: False
        here.now += 1
        await here.until(lambda: not here.service.status()["trouble"])
        assert here.asked == asked + 1 and len(here.events(Available)) == 1

    bench(tmp_path, work)


def test_settings_that_change_are_taken_over(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        here.now += STARTUP_S
        await asyncio.sleep(0.1)
        assert here.asked == 0 and (await ask(here.service, "update.status"))["next_check"] is None
        with pytest.raises(UpdateError, match="updates are switched off"):
            await ask(here.service, "update.check")
        here.configure(TRUSTED_ROOT=str(tmp_path / "nothing"))
        await here.until(lambda: bool(here.service.status()["trouble"] and here.logged("info")))
        await asyncio.sleep(0.1)
        assert len(here.logged("info")) == 1 and not here.logged("warning"), "said once, no alarm"
        here.file.write_text("{")
        await asyncio.sleep(0.05)
        here.configure()
        await here.until(lambda: bool(here.events(Available)))

    bench(tmp_path, work, ENABLED=False)


def test_download_by_command(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await ask(here.service, "update.download", {"version": "0.2.0"})
        await settle()
        with pytest.raises(UpdateError, match="being asked already"):
            await ask(here.service, "update.check")
        await here.until(lambda: bool(here.events(State)))
        (told,) = here.events(State)
        assert (told.version, told.step, told.outcome) == ("0.2.0", "download", None)
        last = here.events(Downloading)[-1]
        assert last.bytes == last.total > 0
        assert (await ask(here.service, "update.status"))["staged"] == ["0.2.0"]
        with pytest.raises(UpdateError, match="restart the daemon"):
            await ask(here.service, "update.install")
        await ask(here.service, "update.download", {"version": "7"})
        await here.until(lambda: len(here.events(State)) == 2)
        told = here.events(State)[-1]
        assert told.outcome == "failed" and "has no release 7" in told.text

    bench(tmp_path, work, CHECK_ON_STARTUP=False)


def test_an_installation_is_followed_to_its_end(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        journal = here.served.layout.state / JOURNAL
        journal.parent.mkdir(parents=True, exist_ok=True)
        order = Order("0.2.0", "/run", None)
        for step, outcome in (("build", None), ("end", "back")):
            progress = Progress(order, step, f"{step} it", here.now, "0.1.0", [], outcome)
            journal.write_bytes(progress.encode())
            await here.until_told(step)
        assert [one.outcome for one in here.events(State)] == [None, "back"]
        assert here.logged("warning") == ["end it"]
        again = UpdateService(here.context, layout=here.served.layout, clock=lambda: here.now)
        assert (await ask(again, "update.status"))["installation"]["outcome"] == "back"
        await again.start()
        await asyncio.sleep(0.1)
        assert len(here.events(State)) == 2, "what is over is not told again"

    bench(tmp_path, work, CHECK_ON_STARTUP=False)


def test_a_check_that_is_not_long_ago_is_not_repeated(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await ask(here.service, "update.check")
        assert here.asked == 1
        checked = json.loads(here.served.layout.last_check.read_bytes())["checked"]
        here.now = checked
        again = UpdateService(here.context, layout=here.served.layout, clock=lambda: here.now)
        due = (await ask(again, "update.status"))["next_check"]
        assert due > checked + NOT_WITHIN_S

    bench(tmp_path, work)
