"""Plugins, bundled and contributed, with faults: a status, and no more.

Every fault in one plugin, one of each sort in every plugin; `make soak` has the whole matrix.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from btc_ai.bus.client import Client, NoDaemonError, RemoteError
from tests.conftest import House, open_house
from tests.faults.sitecustomize import AT_IMPORT, LATER

ROOT = Path(__file__).parents[3]
CONTRIBUTED = ("hello", "mlflow", "notify")
"""Those of plugins_contrib that have a service."""
BUNDLED = ("evaluation", "monitoring", "signal", "study", "training", "transfer", "update")
PLUGINS = (*BUNDLED, *CONTRIBUTED)
BROKEN = ("import-error", "syntax-error", "system-exit", "big-import", "hook", "start")
DYING = ("hard-exit", "segfault", "late-exit", "late-segfault")
GOES_ON = ("handler", "allocate", "flood-events", "flood-big-events", "flood-stdout")
EVERYWHERE = ("hook", "late-segfault", "handler")
MARKS = {
    "allocate": "MemoryError",
    "flood-events": "flooded",
    "flood-big-events": "flooded",
    "flood-stdout": "flooded",
}
"""What a fault leaves behind once it has come about."""
EPISODES = 10_000
"""More than a run has time for."""
QUERY = {
    "evaluation": "evaluation.show", "signal": "signal.predict", "study": "study.list",
    "training": "training.runs", "transfer": "transfer.list", "hello": "hello.say",
    "notify": "notify.status", "mlflow": "mlflow.sync", "update": "update.status",
    "monitoring": "monitoring.status",
}  # fmt: skip

Body = dict[str, Any]


class Faulty:
    """A running daemon whose plugins fail as they are told."""

    def __init__(self, house: House, file: Path, client: Client) -> None:
        self.house, self._file, self.client = house, file, client
        self._mark = file.with_name(f"{file.name}.mark")
        self._ill: str | None = None

    def inject(self, plugin: str, fault: str) -> None:
        """Start the plugin anew, with the fault, once the one before is well again."""
        if self._ill not in (None, plugin):
            self.heal()
        self._ill = plugin
        self._mark.unlink(missing_ok=True)
        self._file.write_text(f"{plugin} {fault}")
        self.client.call("daemon.disable", {"plugin": plugin}, timeout=60)
        with suppress(NoDaemonError):  # it answers once the plugin is there
            self.client.call("daemon.enable", {"plugin": plugin}, timeout=0.05)

    def heal(self) -> None:
        plugin, self._ill = self._ill, None
        self._file.write_text("none none")
        self.client.call("daemon.disable", {"plugin": plugin}, timeout=60)
        self.client.call("daemon.enable", {"plugin": plugin}, timeout=60)
        assert plugin is not None and self.state(plugin)["state"] == "ready"

    def strike(self, plugin: str, fault: str) -> None:
        """Inject, and wait until it has come about and is shown as what it is."""
        self.inject(plugin, fault)
        if fault in BROKEN:
            assert self.wait(plugin, lambda one: one["state"] == "broken")["detail"]
        elif fault in DYING:
            assert self.wait(plugin, lambda one: bool(one["deaths"]))
        else:
            pid = self.wait(plugin, lambda one: one["state"] == "ready")["pid"]
            if fault in MARKS:
                self.house.wait_for(self._mark.exists, 60)
                self.house.wait_for(lambda: self._mark.read_text() == MARKS[fault])
            after = self.wait(plugin, lambda one: one["state"] == "ready")
            assert (after["pid"], after["deaths"]) == (pid, {})

    def state(self, plugin: str) -> Body:
        status = self.client.call("daemon.status", timeout=30)
        return next(one for one in status["plugins"] if one["name"] == plugin)

    def wait(self, plugin: str, what: Callable[[Body], bool]) -> Body:
        self.house.wait_for(lambda: what(self.state(plugin)), 60)
        return self.state(plugin)

    def train(self) -> str:
        """Start a run of many small episodes; it goes on in the background."""
        self.house.run("data", "sample")
        body = {"sequence": ["Scalping"], "episodes": EPISODES, "market": "sample"}
        return str(self.client.call("training.start", body, timeout=60)["run"])

    def episode(self, run: str) -> int:
        [step] = self.client.call("training.show", {"run": run}, timeout=60)["steps"]
        return int(step["episode"])

    def history(self, run: str) -> list[int]:
        """The episodes that the run's history has."""
        rows: list[Body] = []
        while True:
            body = {"run": run, "position": 0, "after": len(rows), "limit": 500}
            found = self.client.call("training.history", body, timeout=60)["rows"]
            if not found:
                return [int(row["episode"]) for row in rows]
            rows += found

    def check_others(self, plugin: str) -> None:
        for other in PLUGINS:
            if other != plugin:
                assert self.state(other)["state"] == "ready"
        assert self.client.call("daemon.ping")["pid"] == self.house.daemon_pid
        other = "study" if plugin == "training" else "training"
        self.client.call(QUERY[other], {}, timeout=30)


def contributed(site: Path) -> Path:
    """A folder where the contributed plugins are installed, as they stand."""
    for name in CONTRIBUTED:
        package = f"btc_ai_{name}"
        (site / package).symlink_to(ROOT / "plugins_contrib" / f"btc-ai-{name}" / package)
        info = site / f"{package}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[btc_ai.plugins]\n{name} = {package}:plugin\n")
    return site


def from_the_future(site: Path) -> Path:
    """The same, and a plugin of another contract, which does harm where it is imported."""
    package, info = site / "btc_ai_future", site / "btc_ai_future-0.1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    manifest = {"name": "future", "version": "0.1", "api": ">=2,<3", "description": "A test"}
    (package / "btc_ai_plugin.json").write_text(json.dumps(manifest))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: btc_ai_future\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nfuture = btc_ai_future:plugin\n")
    return site


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    root = tmp_path_factory.mktemp("faults")
    file = root / "fault"
    file.write_text("none none")
    with open_house(root) as house, pytest.MonkeyPatch.context() as patch:
        folders = [
            str(ROOT / "tests" / "faults"),
            str(from_the_future(contributed(tmp_path_factory.mktemp("site")))),
        ]
        old = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*folders, old])))
        patch.setenv("BTC_AI_FAULT_FILE", str(file))
        house.configure(
            PLUGINS={name: {"ISOLATION": "process"} for name in PLUGINS},
            MAX_EPISODES=EPISODES,
            MONITORING={"ENABLED": True},
        )
        house.run("daemon", "start")
        with Client(house.runtime) as client:
            made = Faulty(house, file, client)
            for plugin in PLUGINS:
                made.wait(plugin, lambda one: one["state"] == "ready")
            yield made


def test_every_contributed_plugin_with_a_service_is_tested() -> None:
    manifests = (ROOT / "plugins_contrib").glob("*/btc_ai_*/btc_ai_plugin.json")
    found = [json.loads(path.read_text()) for path in manifests]
    assert found and {one["name"] for one in found if one.get("service", True)} == {*CONTRIBUTED}


def test_every_fault_is_tested() -> None:
    tested = {*BROKEN, *DYING, *GOES_ON, "gil", "hang-import"}
    assert tested >= AT_IMPORT.keys() | LATER.keys()


def test_a_plugin_of_another_contract_is_refused(faulty: Faulty) -> None:
    shown = faulty.state("future")
    assert shown["state"] == "refused" and shown["pid"] is None
    assert ">=2,<3" in shown["detail"]
    faulty.check_others("future")
    faulty.client.call("daemon.enable", {"plugin": "future"}, timeout=60)  # it changes nothing
    assert faulty.state("future")["state"] == "refused"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "fault"),
    [
        pytest.param(
            plugin,
            fault,
            marks=() if plugin == "hello" or fault in EVERYWHERE else pytest.mark.soak,
        )
        for plugin in PLUGINS
        for fault in (*BROKEN, *DYING, *GOES_ON)
    ],
)
def test_a_fault_is_a_status(faulty: Faulty, plugin: str, fault: str) -> None:
    faulty.strike(plugin, fault)
    faulty.check_others(plugin)
    if fault == "handler":
        with pytest.raises(RemoteError, match="the log has the details"):
            faulty.client.call(QUERY[plugin], {}, timeout=30)


@pytest.mark.slow
def test_a_run_goes_on_and_loses_nothing_beside_another_plugins_faults(faulty: Faulty) -> None:
    run = faulty.train()
    faulty.house.wait_for(lambda: faulty.episode(run) >= 2, 120)
    workers = faulty.house.worker_pids
    for fault in ("start", "late-segfault", *GOES_ON):
        faulty.strike("hello", fault)
        reached = faulty.episode(run)
        faulty.house.wait_for(lambda reached=reached: faulty.episode(run) > reached, 120)
    faulty.heal()
    assert faulty.house.worker_pids == workers
    faulty.client.call("training.stop", {"run": run}, timeout=60)
    reached = faulty.episode(run)
    assert faulty.history(run) == [*range(1, reached + 1)]


@pytest.mark.slow
def test_a_plugin_that_holds_its_interpreter_is_shown_as_stalled(faulty: Faulty) -> None:
    faulty.inject("study", "gil")
    faulty.wait("study", lambda one: one["state"] == "stalled")
    faulty.check_others("study")


@pytest.mark.slow
def test_a_plugin_that_hangs_at_import_is_ended_when_told(faulty: Faulty) -> None:
    faulty.inject("study", "hang-import")
    faulty.wait("study", lambda one: one["state"] == "starting" and one["pid"])
    faulty.check_others("study")
    faulty.heal()
