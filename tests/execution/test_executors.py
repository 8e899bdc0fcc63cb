"""The same contract for every built-in executor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from btc_ai.api.executor import Done, Executor, Schedule, Task
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import PluginError, UsageError
from btc_ai.execution.inline import InlineExecutor
from btc_ai.execution.installed import builtin_executors, installed_executors
from btc_ai.execution.process import ATTEMPTS, ProcessExecutor
from btc_ai.market.sample import sample_market
from tests.api.conftest import Site, site  # noqa: F401  # the fixture
from tests.execution.tasks import task


@pytest.fixture(params=["inline", "process"])
def executor(request: pytest.FixtureRequest) -> Executor:
    return InlineExecutor() if request.param == "inline" else ProcessExecutor(2)


def run(executor: Executor, tasks: Sequence[Task], shared: object = 40) -> dict[str, Done]:
    return {done.key: done for done in executor.run(tasks, {"base": shared}, lambda: False)}


def test_every_task_runs_once_after_what_it_needs(executor: Executor, tmp_path: Path) -> None:
    log = tmp_path / "log"
    tasks = [
        task("c", "add", "b", number=3, log=str(log)),
        task("b", "add", "a", number=2, log=str(log)),
        task("a", "add", number=1, log=str(log)),
        task("d", "add", number=4, log=str(log)),
    ]
    done = run(executor, tasks)
    assert {key: one.result and one.result["sum"] for key, one in done.items()} == {
        "a": 41, "b": 42, "c": 43, "d": 44,
    }  # fmt: skip
    order = log.read_text().split()
    assert sorted(order) == ["1", "2", "3", "4"]
    assert order.index("1") < order.index("2") < order.index("3")


def test_a_failed_task_says_why_and_takes_with_it_what_needs_it(executor: Executor) -> None:
    tasks = [
        task("bad", "refuse"), task("after", "add", "bad", number=1),
        task("later", "add", "after", number=1), task("good", "add", number=1),
    ]  # fmt: skip
    done = run(executor, tasks)
    assert done["bad"].error == "no candles"
    assert done["after"].error == "needs bad, which failed"
    assert done["later"].error == "needs after, which failed"
    assert done["good"].error is None


def test_asked_to_stop_it_stops(executor: Executor) -> None:
    with pytest.raises(StepStoppedError):
        list(executor.run([task("a", "add", number=1)], {"base": 1}, lambda: True))


def test_inline_shares_the_object_itself() -> None:
    base = 10**20
    (done,) = run(InlineExecutor(), [task("a", "add", number=1)], base).values()
    assert done.result and done.result["shared"] == id(base)


def test_the_pool_sends_what_is_shared_once_to_each_process() -> None:
    tasks = [task(str(n), "add", number=n) for n in range(12)]
    done = run(ProcessExecutor(2), tasks, 10**20)
    results = [one.result for one in done.values() if one.result]
    assert len(results) == 12
    pids = {one["pid"] for one in results}
    assert len(pids) == 2 and os.getpid() not in pids
    assert len({(one["pid"], one["shared"]) for one in results}) == 2
    assert {one["threads"] for one in results} == {"1"}


def test_a_task_whose_process_is_killed_runs_again(tmp_path: Path) -> None:
    for name in ("often", "twice"):
        (tmp_path / name).mkdir()
    tasks = [
        task("often", "die", folder=str(tmp_path / "often"), times=99),
        task("twice", "die", folder=str(tmp_path / "twice"), times=ATTEMPTS - 1),
        task("good", "add", number=1),
    ]
    done = run(ProcessExecutor(2), tasks)
    assert done["twice"].result == {"deaths": ATTEMPTS - 1}
    assert "died 3 times (the last time: signal SIGKILL)" in str(done["often"].error)
    assert done["good"].error is None


def test_what_a_task_raises_by_mistake_is_one_line_and_its_traceback_is_logged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    (done,) = run(ProcessExecutor(1), [task("a", "break_down")]).values()
    assert done.error == "ZeroDivisionError: one over none (the log has the traceback)"
    assert "in break_down" in capfd.readouterr().err


def test_a_task_that_there_is_not_fails(executor: Executor) -> None:
    done = run(executor, [task("a", "nothing"), task("b", "add", number=1)])
    assert "nothing cannot be found" in str(done["a"].error)
    assert "traceback" not in str(done["a"].error)
    assert done["b"].error is None


def test_a_task_that_says_stopped_stops_the_inline_executor(tmp_path: Path) -> None:
    asked = iter([False, True])
    tasks = [task("a", "last", folder=str(tmp_path), number=1)]
    with pytest.raises(StepStoppedError):
        list(InlineExecutor().run(tasks, {}, lambda: next(asked)))


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new Python hangs before it has imported anything."""
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("hanging")
def test_a_process_that_does_not_start_is_given_up() -> None:
    large = {"base": bytes(4_000_000)}  # more than a pipe holds
    executor = ProcessExecutor(1, start_limit_s=0.1)
    (done,) = executor.run([task("a", "add", number=1)], large, lambda: False)
    assert "died 3 times (the last time: it did not start within 0.1 s)" in str(done.error)


@pytest.mark.usefixtures("hanging")
def test_a_pool_that_does_not_start_can_be_stopped() -> None:
    with pytest.raises(StepStoppedError):
        list(ProcessExecutor(2).run([task("a", "add", number=1)], {}, lambda: True))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait(what: object, limit: float = 30) -> None:
    end = time.monotonic() + limit
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_closing_the_iterator_ends_every_process(tmp_path: Path) -> None:
    tasks = [task("quick", "add", number=1), task("slow", "last", folder=str(tmp_path), number=1)]
    running = ProcessExecutor(2).run(tasks, {"base": 1}, lambda: False)
    assert next(running).key == "quick"
    _wait((tmp_path / "1.pid").exists)
    running.close()  # type: ignore[attr-defined]  # it is a generator
    assert _gone(int((tmp_path / "1.pid").read_text()))


def test_the_pool_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "from btc_ai.execution.process import ProcessExecutor\n"
        "from tests.execution.tasks import task\n"
        f"tasks = [task(str(n), 'last', folder={str(tmp_path)!r}, number=n) for n in (1, 2)]\n"
        "list(ProcessExecutor(2).run(tasks, {'base': 1}, lambda: False))\n"
    )
    (tmp_path / "parent.py").write_text(script)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
    )
    try:
        files = [tmp_path / f"{number}.pid" for number in (1, 2)]
        _wait(lambda: all(file.exists() for file in files))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _wait(lambda: all(_gone(int(file.read_text())) for file in files), 10)


def test_candles_reach_another_process_whole() -> None:
    candles = sample_market(1_000)
    again = _through_pickle(candles)
    assert again.sha256 == candles.sha256  # type: ignore[attr-defined]


def _through_pickle(value: object) -> object:
    from multiprocessing.reduction import ForkingPickler
    from pickle import loads

    return loads(ForkingPickler.dumps(value))


@pytest.mark.parametrize("needs", [("b",), ("nobody",)])
def test_tasks_that_need_what_cannot_be_are_refused(needs: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Schedule([task("a", "add", *needs), task("b", "add", "a")])


def test_the_first_in_the_sequence_begins_first() -> None:
    schedule = Schedule([task("a", "add", "c"), task("b", "add"), task("c", "add")])
    first = schedule.next()
    assert first is not None and first.key == "b"
    schedule.next()
    schedule.end(Done("c", {}))
    after = schedule.next()
    assert after is not None and after.key == "a"


@pytest.mark.parametrize(
    ("name", "workers", "address", "says"),
    [
        ("cloud", None, None, "known are inline, process"),
        ("inline", 4, None, "one task at a time"),
        ("process", None, "10.0.0.1:6379", "--address is of executors on a cluster"),
        ("process", 0, None, "at least 1"),
    ],
)
def test_bad_input(name: str, workers: int | None, address: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        builtin_executors().make(name, workers, address)


PLUGIN = """
import sys
from btc_ai.api import hookimpl
from btc_ai.execution.inline import InlineExecutor

@hookimpl
def btc_ai_executors(registry):
    registry.register("{name}", lambda workers, address: InlineExecutor())

plugin = sys.modules[__name__]
"""


class _Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def error(self, event: str, **values: object) -> None:
        self.said.append(str(values["plugin"]))

    debug = info = warning = error


def test_a_plugin_adds_one_by_name(site: Site) -> None:  # noqa: F811
    site.install("grid", PLUGIN.format(name="grid"), manifest={"executors": ["grid"]})
    site.install("thief", PLUGIN.format(name="inline"), manifest={"executors": ["inline"]})
    log = _Log()
    registry = installed_executors(log)
    assert isinstance(registry.make("grid", None, None), InlineExecutor)
    assert log.said == ["thief"]
    with pytest.raises(PluginError):
        registry.register("grid", lambda workers, address: InlineExecutor())
