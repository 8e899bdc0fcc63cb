"""A dashboard over a real history: a run of two buckets, a transfer, samples and events."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from starlette.testclient import TestClient

from btc_ai.api.testing import FakeContext, FakeLogger
from btc_ai.config import Config, load_config
from btc_ai.dashboard.access import COOKIE
from btc_ai.dashboard.bus import Bus, ClientBus, PluginBus
from btc_ai.dashboard.live import follow
from btc_ai.dashboard.serve import open_door
from btc_ai.dashboard.service import Dashboard
from tests.history.conftest import Book, run_view, step_view
from tests.history.conftest import Bus as Source

T = TypeVar("T")

RUN = "abc234"
EPISODES = 30
RESULTS = {
    "model": {"net_bps_per_bar": 0.5, "win_rate": 0.4, "profit_factor": 2.0},
    "flat": {"net_bps_per_bar": 0.0}, "buy_and_hold": {"net_bps_per_bar": 0.2},
}  # fmt: skip
CARD = {
    "format": 1, "bucket": "Scalping", "created": "2026-11-26T12:00:00+00:00", "episodes": EPISODES,
    "settings": {"bucket": "Scalping", "seed": 3}, "bars": 5000, "data_sha256": "d" * 64,
    "parts": {"train": [0, 70_000], "test": [70_000, 100_000]},
    "validation": {"abstains": False}, "weights_sha256": "a" * 64, "evaluation": RESULTS,
    "importance": {
        "rsi": {"drop": 0.1, "se": 0.1, "low": -0.1, "high": 0.3},
        "price": {"drop": 0.4, "se": 0.1, "low": 0.2, "high": 0.6},
    },
}  # fmt: skip
VERDICT = {
    "decision": "kept", "reason": "it does no harm", "comparisons": [],
    "impact": {"share": 1.0, "difference": 0.2, "low": 0.1, "high": 0.3},
}  # fmt: skip


def _views(model: Path) -> Any:
    outcome = {
        "model": str(model), "weights_sha256": "a" * 64, "evaluation": RESULTS,
        "validation": {"abstains": False, "episode": EPISODES},
    }  # fmt: skip
    plan = {"kinds": ["weights"], "source": "Scalping", "reason": None, "matched": [], "new": []}
    return run_view(
        step_view(state="done", episode=EPISODES, outcome=outcome, directory=str(model)),
        step_view(1, "Short", transfer=plan, verdict=VERDICT, episode=4),
    )


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder that the history's own writer has filled."""
    models = tmp_path_factory.mktemp("written") / "Models"
    model = models / "Scalping" / RUN
    model.mkdir(parents=True)
    (model / "model.json").write_text(json.dumps(CARD))
    book, source = Book(Config.model_validate({"MODELS_DIR": str(models)})), Source()
    book.write(
        source.heard("training.run", _views(model), time=1001.0),
        *(source.episode(n) for n in range(1, EPISODES + 1)),
        *(source.episode(n, position=1, bucket="Short") for n in range(1, 5)),
        source.heard("training.diverged", _diverged("main", "lately"), time=time.time() - 60),
        source.heard("training.diverged", _diverged("scratch", "then"), time=time.time() - 90),
        source.heard("training.diverged", _diverged("main", "long ago"), time=3000.0),
        source.heard("monitoring.alert", _alert("host", "warning"), time=time.time(), source="m"),
        source.heard("monitoring.alert", _alert("gpu.0", "limit"), time=2000.0, source="m"),
        source.heard("plugin.state", {"name": "hello", "state": "ready", "detail": ""}, source="d"),
    )
    book.writer.close()
    return models


def _alert(device: str, level: str) -> dict[str, Any]:
    return {"what": "memory", "level": level, "device": device, "text": f"memory of {device}",
            "value": 0.9, "threshold": 0.8}  # fmt: skip


def _diverged(arm: str, when: str) -> dict[str, Any]:
    return {"run": RUN, "position": 1, "bucket": "Short", "arm": arm, "text": f"diverged {when}"}


@pytest.fixture
def root(tmp_path: Path, written: Path) -> Path:
    """A folder with a configuration and a models folder of this test's own."""
    shutil.copytree(written, tmp_path / "Models")
    folders = {"MODELS_DIR": "Models", "DATA_DIR": "Data", "LOG_DIR": "Logs", "KEYS_DIR": "Keys"}
    (tmp_path / "btc_ai.json").write_text(json.dumps(folders))
    return tmp_path


def no_daemon(config: Config) -> Bus:
    """A bus on which there is none."""
    return ClientBus(lambda: config.LOG_DIR / "no runtime", config.MODELS_DIR)


def make_dashboard(root: Path, bus: Bus | None = None, **options: Any) -> Dashboard:
    """A dashboard over a folder, at a free port; with options of DASHBOARD. No bus: no daemon."""
    file = root / "btc_ai.json"
    config = load_config(file)
    config = config.model_copy(
        update={"DASHBOARD": config.DASHBOARD.model_copy(update=options)} if options else {}
    )
    return Dashboard(
        config, file, open_door("127.0.0.1", 0), bus or no_daemon(config), FakeLogger(),
        read_config=lambda: load_config(file), update_interval=None,
    )  # fmt: skip


@contextmanager
def opened(dashboard: Dashboard) -> Iterator[TestClient]:
    """A client that has signed in, and sends the header that changes need."""
    url = f"http://{next(one for one in dashboard.parts.hosts if one.startswith('127'))}"
    with TestClient(dashboard.app, base_url=url, raise_server_exceptions=False) as client:
        client.cookies.set(COOKIE, dashboard.parts.access._token.read())
        client.headers["X-CSRF-Token"] = dashboard.parts.csrf
        yield client
        assert client.portal is not None
        client.portal.call(dashboard.parts.reports.close)


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    """The folder alone."""
    with opened(make_dashboard(root)) as made:
        yield made


class Daemon:
    """A dashboard whose daemon is a FakeContext."""

    def __init__(self, root: Path) -> None:
        self.context = FakeContext("dashboard", may_send=["*"])
        self.dashboard = make_dashboard(root, PluginBus(self.context))
        self.client: TestClient

    def hear(self, kind: str, body: dict[str, Any]) -> None:
        """Have the daemon publish an event."""
        assert self.client.portal is not None
        self.client.portal.call(self.context.hear, kind, body)


@pytest.fixture
def daemon(root: Path) -> Iterator[Daemon]:
    """The same folder, and a daemon."""
    made = Daemon(root)
    made.context.answers["training.runs"] = lambda body: {
        "runs": [{"run": RUN, "updated": 1.0, "state": "running"}]
    }
    with opened(made.dashboard) as client:
        made.client = client
        parts = made.dashboard.parts
        assert client.portal is not None
        following = client.portal.start_task_soon(lambda: follow(parts.bus, parts.hub, parts.store))
        client.portal.call(asyncio.sleep, 0.01)
        yield made
        following.cancel()


class Served:
    """A dashboard that is served on its real port, from a loop in a thread."""

    def __init__(self, dashboard: Dashboard, url: str) -> None:
        self.dashboard, self.url = dashboard, url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        await self.dashboard.run()

    def __enter__(self) -> "Served":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.dashboard.stop)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    def call(self, work: Callable[[], None]) -> None:
        """Do something in the server's loop, and wait until it is done."""

        async def doing() -> None:
            work()

        self.wait(doing())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns that runs in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    """The folder alone, on a real port."""
    dashboard = make_dashboard(root)
    name = next(one for one in dashboard.parts.hosts if one.startswith("127"))
    with Served(dashboard, f"http://{name}") as made:
        yield made
