"""A house of its own for each test: configuration, folders, daemon; all of it gone afterwards."""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from xdist.scheduler import LoadScopeScheduling

from btc_ai.bus.client import Client
from btc_ai.market.sample import sample_market, save_sample
from btc_ai.market.store import CandleStore

DATA = Path(os.environ.get("BTC_AI_TEST_DATA", Path(__file__).parents[1].parent / "shared/data"))

WORKER = "btc_ai.daemon.children.worker"
QUICK: dict[str, Any] = {
    "BUFFER_SIZE": 2048,
    "PROGRESSIVE_TRAINING": {"EPISODES_PER_BUCKET": 6, "PAUSE_BETWEEN_BUCKETS": 0.05},
    "KNOWLEDGE_TRANSFER": {"TRANSFER_VERIFY": "off"},  # test_transfer.py measures
    "MONITORING": {"ENABLED": False},  # a process more: tests/plugins/monitoring has it
    "DASHBOARD": {"ENABLED": False},  # another: tests/cli/test_monitor.py has it
}


@dataclass
class House:
    """A configuration, its folders and a runtime directory; runs the real command line."""

    root: Path
    runtime: Path
    config: dict[str, Any] = field(default_factory=dict)
    unset_config: bool = False

    def __post_init__(self) -> None:
        """Write the configuration."""
        self.configure(**QUICK)

    @property
    def config_file(self) -> Path:
        """Where the configuration is."""
        return self.root / "btc_ai.json"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        config = {} if self.unset_config else {"BTC_AI_CONFIG": str(self.config_file)}
        return (
            os.environ
            | config
            | {
                "BTC_AI_RUNTIME_DIR": str(self.runtime),
                "HOME": str(self.root),
                "COLUMNS": "120",
            }
        )

    def configure(self, **values: Any) -> None:
        """Set keys of the configuration."""
        self.config |= values
        self.config_file.write_text(json.dumps(self.config))

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start one command."""
        if arguments[:3] == ("train", "--market", "sample"):
            self.have_sample()
        return subprocess.Popen(
            [sys.executable, "-m", "btc_ai.cli.app", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            **options,
        )

    def have_sample(self) -> None:
        """The sample market, made once for all houses; of its own, each would wait a second."""
        folder = self.root / self.config.get("DATA_DIR", "Data")
        if not folder.exists():
            shutil.copytree(_sample_market(), folder)

    def run(self, *arguments: str, code: int | None = 0, timeout: float = 120) -> str:
        """Run one command; check its exit code; return what it printed, errors last."""
        with self.popen(*arguments) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        text = out + err
        assert "Traceback" not in text, text
        assert code is None or process.returncode == code, f"{process.returncode}: {text}"
        return text

    def json(self, *arguments: str) -> Any:
        """Run one command with --json and parse what it printed."""
        with self.popen(*arguments, "--json") as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)

    def ask(self, kind: str, **body: Any) -> dict[str, Any]:
        """The daemon's answer to one command of the bus: to wait on one, without a process each."""
        with Client(self.runtime) as client:
            return client.call(kind, body)

    @property
    def daemon_pid(self) -> int | None:
        """The running daemon, if there is one."""
        try:
            pid = int((self.runtime / "daemon.lock").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    @property
    def worker_pids(self) -> list[int]:
        """The daemon's worker processes."""
        pid, found = self.daemon_pid, []
        with suppress(psutil.Error):  # they come and go meanwhile
            for child in psutil.Process(pid).children() if pid else ():
                with suppress(psutil.Error):
                    found += [child.pid] if WORKER in child.cmdline() else []
        return found

    def wait_for(self, what: Any, limit: float = 60) -> None:
        """Until `what()` holds."""
        end = time.monotonic() + limit
        while not what():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def episode(self) -> int:
        """How many episodes the newest run has behind it."""
        return sum(int(step["episode"]) for step in self.ask("training.show")["steps"])

    def weights(self, run: str | None = None) -> list[str]:
        """The hashes of a run's models."""
        shown = self.json("show", *([run] if run else []))
        assert shown["state"] == "done", shown
        return [step["outcome"]["weights_sha256"] for step in shown["steps"]]

    def close(self) -> None:
        """End the daemon by its own pid; its worker goes with it."""
        pid = self.daemon_pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        try:
            self.wait_for(lambda: self.daemon_pid is None, 20)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            raise


@functools.cache
def _sample_market() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="btc-ai-sample-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    save_sample(CandleStore(folder), sample_market(), replace=False)
    return folder


@contextmanager
def open_house(root: Path) -> Iterator[House]:
    """A house without a running daemon; whatever runs in it ends with it."""
    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-"))
    made = House(root, runtime)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(runtime, ignore_errors=True)


def pytest_configure() -> None:
    """Let the commands that tests start hear Ctrl-C, even where the suite runs in the background.

    A shell without job control starts background processes with SIGINT ignored, for good.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _OneCommandLine(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Files of tests as they come, but no two tests of trainings by the command line at once.

    Each of them starts several processes and looks at what they do in time.
    """

    BESIDE = (
        "doctor", "logs", "plugins", "reload", "remote", "report", "service", "sparkline",
        "supervision", "top",
    )  # fmt: skip
    """Files of tests/cli that look at nothing in time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith("tests/history/"):  # they share a PostgreSQL
            return "tests/history"
        beside = {f"tests/cli/test_{name}.py" for name in self.BESIDE}
        return "tests/cli" if file.startswith("tests/cli/") and file not in beside else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """How `pytest -n` hands out the tests."""
    return _OneCommandLine(config, log)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house of this test's own."""
    with open_house(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real candles; without it a test fails in CI and is skipped elsewhere."""
    if not DATA.is_dir():
        reason = f"no real candles in {DATA}: set BTC_AI_TEST_DATA to their folder"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return DATA
