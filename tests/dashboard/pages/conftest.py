"""The pages as a browser has them: a real server over a made-up history, and a real Chromium."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from btc_ai.api.messages import Heard
from btc_ai.api.testing import FakeLogger
from btc_ai.bus.client import RemoteError
from btc_ai.config import Config, load_config
from btc_ai.dashboard.bus import LinkState
from btc_ai.dashboard.serve import open_door
from btc_ai.dashboard.service import Dashboard
from hatch_build import build_pages
from tests.dashboard.conftest import no_daemon
from tests.dashboard.pages import made_up

Body = dict[str, Any]

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAPTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LIMIT_MS = 10_000
SERIOUS = ("serious", "critical")


class Daemon:
    """What the server sees of a daemon: it answers commands, remembers them, and tells events."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Body]] = []
        self.answers: dict[str, Body] = dict(made_up.ANSWERS)
        self.connected = LinkState(True)
        self._heard: list[asyncio.Queue[Heard | LinkState]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(self, kind: str, body: Body) -> Body:
        """The answer that a test has put there."""
        self.asked.append((kind, body))
        if kind not in self.answers:
            raise RemoteError("unknown_kind", f"there is no command {kind}")
        return self.answers[kind]

    async def news(self) -> AsyncIterator[Heard | LinkState]:
        """What `tell` and `link` say."""
        self._loop = asyncio.get_running_loop()
        mine: asyncio.Queue[Heard | LinkState] = asyncio.Queue()
        self._heard.append(mine)
        yield self.connected
        while True:
            yield await mine.get()

    def tell(self, news: Heard | LinkState) -> None:
        """Have the server hear this; from any thread."""
        assert self._loop is not None
        for one in self._heard:
            self._loop.call_soon_threadsafe(one.put_nowait, news)

    def commands(self, beginning: str) -> list[tuple[str, Body]]:
        """What was asked of it by pages, of some kinds."""
        return [one for one in self.asked if one[0].startswith(beginning)]


class Served:
    """A dashboard in a thread, over a folder of its own."""

    def __init__(self, folder: Path, *, followed: bool = True, more: Body | None = None) -> None:
        """followed: over a daemon; else over its models folder alone."""
        self.folder, self.file = folder, folder / "btc_ai.json"
        (folder / "Models").mkdir(parents=True)
        raw = {
            f"{name.upper()}_DIR": str(folder / name.title()) for name in ("models", "log", "keys")
        }
        self.config = Config.model_validate({**raw, **(more or {})})
        self.file.write_text(self.config.model_dump_json(include=set(raw) | set(more or {})))
        self.daemon = Daemon() if followed else None
        self.ledger = made_up.Ledger(time.time())
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, on the same port as before."""
        door = open_door("127.0.0.1", self.port)
        self.port = door.port
        self._dashboard = Dashboard(
            self.config, self.file, door, self.daemon or no_daemon(self.config), FakeLogger(),
            read_config=lambda: load_config(self.file),
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        work = self._dashboard.run()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(work))
        self._thread.start()

    def stop(self) -> None:
        """Serve no longer."""
        self._loop.call_soon_threadsafe(self._dashboard.stop)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._loop.close()

    def write(self, kind: str, body: Body, *, source: str = "training") -> Heard:
        """Have an event written down, of which no page is told."""
        event = self.ledger.event(kind, body, time.time(), source)
        made_up.write(self.config, [event])
        return event

    def tell(self, kind: str, body: Body, *, source: str = "training") -> None:
        """Have an event written down and told, as the daemon does."""
        assert self.daemon is not None
        self.daemon.tell(self.write(kind, body, source=source))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser, one for all tests of pages; these are built anew where they have changed."""
    build_pages(Path(__file__).parents[3])
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "NO CHROMIUM: the dashboard's pages are not tested; install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard with the made-up runs, one for all tests of pages."""
    made = Served(tmp_path_factory.mktemp("pages"))
    made.ledger = made_up.fill(made.config)
    made.start()
    yield made
    made.stop()


class Visitor:
    """A person's browser: what it shows, and what went wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url, self.page, self.wrong = url, context.new_page(), list[str]()
        self.page.set_default_timeout(LIMIT_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def go(self, address: str) -> Page:
        """Open an address of the dashboard, and wait until all of it is drawn."""
        self.page.goto(self.url + address)
        self.ready()
        return self.page

    def move(self, address: str) -> Page:
        """Go on to an address without loading the page anew, as a link of its own does."""
        here = self.page.url.removeprefix(self.url)
        if here in ("", "about:blank"):
            return self.go(address)
        self.page.evaluate(
            "there => { history.pushState(null, '', there); dispatchEvent(new Event('popstate')) }",
            address,
        )
        self.ready()
        return self.page

    def ready(self) -> None:
        """Until the page says that it is drawn."""
        self.page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")

    def theme(self, name: str) -> None:
        """Prefer light or dark, as the machine's settings do."""
        self.page.emulate_media(color_scheme=name)  # type: ignore[arg-type]

    def faults(self, *rules: str) -> list[str]:
        """What axe finds serious, by all its rules or these alone."""
        options = {"runOnly": list(rules)} if rules else None
        found = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{one['id']}: {one['help']}: {node['html'][:150]} {node['failureSummary'][:200]}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"][:3]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        ))  # fmt: skip


@pytest.fixture
def answering(served: Served) -> Iterator[None]:
    """A daemon whose answers a test may change: all are as they were afterwards."""
    assert served.daemon is not None
    before = dict(served.daemon.answers)
    yield
    served.daemon.answers = before


@pytest.fixture
def visit(chromium: Browser, served: Served, answering: None) -> Iterator[Visitor]:
    """A visitor with a laptop; nothing may go wrong in its browser."""
    context = chromium.new_context(viewport=LAPTOP, accept_downloads=True)  # type: ignore[arg-type]
    visitor = Visitor(context, served.url)
    yield visitor
    context.close()
    assert visitor.wrong == []


@pytest.fixture(scope="package")
def regular(chromium: Browser, served: Served) -> Iterator[Visitor]:
    """A visitor who stays: a page once loaded costs the tests a quarter of a new one."""
    context = chromium.new_context(viewport=LAPTOP, accept_downloads=True)  # type: ignore[arg-type]
    yield Visitor(context, served.url)
    context.close()


@pytest.fixture
def stay(regular: Visitor, answering: None) -> Iterator[Visitor]:
    """The regular visitor, as a test finds and leaves it; nothing may go wrong in its browser."""
    regular.wrong.clear()
    regular.page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
    regular.theme("light")
    yield regular
    if not regular.page.url.startswith("about:"):
        regular.page.evaluate("() => sessionStorage.clear()")
    assert regular.wrong == []
