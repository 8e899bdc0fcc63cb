"""Each test of the history twice: over SQLite, and over a real PostgreSQL."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.messages import Heard
from btc_ai.api.testing import FakeLogger
from btc_ai.config import Config
from btc_ai.history.database import open_for_writing
from btc_ai.history.queries import History
from btc_ai.history.writer import Item, Writer, WriterStatus
from btc_ai.paths import history_file
from btc_ai.plugins.training.messages import RunView, StepView
from tests.history.postgresql import Server, running_server

Body = dict[str, Any]
EPOCH = "e1"
TEMPLATE = "with_tables"


@pytest.fixture(scope="package")
def postgresql() -> Iterator[Server]:
    """One server for all tests of the history; others count the children that they leave."""
    with running_server() as server:
        config = Config.model_validate({"HISTORY_URL": server.database(name=TEMPLATE)})
        open_for_writing(config).dispose()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A configuration with an empty database of this test's own."""
    raw: Body = {"MODELS_DIR": str(tmp_path)}
    if request.param == "postgresql":
        raw["HISTORY_URL"] = request.getfixturevalue("postgresql").database()
    return Config.model_validate(raw)


@pytest.fixture(params=["sqlite", "postgresql"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A configuration with a database of this test's own that has its tables."""
    raw: Body = {"MODELS_DIR": str(tmp_path / "Models")}
    (tmp_path / "Models").mkdir()
    if request.param == "postgresql":
        raw["HISTORY_URL"] = request.getfixturevalue("postgresql").database(TEMPLATE)
    else:
        shutil.copy(request.getfixturevalue("with_tables"), tmp_path / "Models")
    return Config.model_validate(raw)


@pytest.fixture(scope="session")
def with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database without a row, to be copied."""
    config = Config.model_validate({"MODELS_DIR": str(tmp_path_factory.mktemp("tables"))})
    open_for_writing(config).dispose()
    return history_file(config.MODELS_DIR)


class Book:
    """A writer over a configuration, and what it said."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.config, self.log = config, FakeLogger()
        self.said: list[WriterStatus] = []
        options = {"gather_s": 0.01, **options}
        self.writer = Writer(config, self.log, on_change=self.said.append, **options)
        self.writer.start()

    def write(self, *items: Item) -> None:
        """Have these written."""
        for item in items:
            assert self.writer.put(item)
        wait_for(lambda: self.writer.settled)

    def read(self) -> History:
        """The history, to be closed."""
        return History.open(self.config)


@pytest.fixture
def open_book(config: Config) -> Iterator[Callable[..., Book]]:
    """Makes writers over this test's database; all end with it."""
    books: list[Book] = []

    def make(**options: Any) -> Book:
        books.append(Book(config, **options))
        return books[-1]

    yield make
    for book in books:
        book.writer.close()


def wait_for(what: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Until `what()` holds."""
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Bus:
    """Numbers events as the bus does, a source each."""

    def __init__(self, epoch: str = EPOCH) -> None:
        self._epoch = epoch
        self._numbers: dict[str, itertools.count[int]] = {}

    def heard(
        self, kind: str, body: Body, *, source: str = "training", time: float = 1000.0
    ) -> Heard:
        """An event of the bus."""
        seq = next(self._numbers.setdefault(source, itertools.count(1)))
        return Heard(kind, body, source, None, seq, time, epoch=self._epoch)

    def episode(self, number: int, run: str = "abc234", **more: Any) -> Heard:
        """The end of an episode."""
        metrics = {"episode": number, "reward": number / 10, "loss": 1 / number, "win_rate": None}
        body = {"run": run, "position": 0, "bucket": "Scalping", "episode": number, "eta_s": 3.5,
                "metrics": metrics}  # fmt: skip
        return self.heard("training.progress", {**body, **more}, time=1000.0 + number)


def step_view(position: int = 0, bucket: str = "Scalping", **values: Any) -> StepView:
    """A bucket of a run, in training unless told."""
    plain: Body = {
        "position": position, "bucket": bucket, "state": "running", "learner": "cfq",
        "episodes": 100, "episode": 0, "metrics": {}, "started": 1000.0, "ended": None,
        "continued_from": None, "transfer": None, "verdict": None, "rolled_back": None,
        "directory": None, "memory": [], "degraded": False, "outcome": None,
    }  # fmt: skip
    return StepView(**{**plain, **values})


def run_view(*steps: StepView, run: str = "abc234", **values: Any) -> Body:
    """A run as `training.run` tells it."""
    plain: Body = {
        "run": run, "state": "running", "error": None, "created": 1000.0, "updated": 1001.0,
        "symbol": "BTC/USDT", "interval": "5m", "synthetic": False, "seed": 2**62,
        "transfer": True,
    }  # fmt: skip
    steps = steps or (step_view(),)
    return RunView(**{**plain, **values}, steps=list(steps)).model_dump(mode="json")
