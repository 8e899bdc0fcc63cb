"""A study on two Ray nodes, one of which is killed, gives the table that the others give."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import ray_tasks
from btc_ai_ray.executor import RayExecutor
from ray.cluster_utils import Cluster

from btc_ai.api.executor import Executor, Task
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import BtcAiError, UsageError
from btc_ai.execution.inline import InlineExecutor
from btc_ai.execution.installed import installed_executors
from btc_ai.execution.process import ProcessExecutor
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.study.design import Study
from btc_ai.learning.study.study import StudyProgress, run_study
from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.sample import sample_market


class Nodes:
    """Two nodes with a core each: a head, and one that can be killed."""

    def __init__(self) -> None:
        quick = {
            "health_check_initial_delay_ms": 500,
            "health_check_period_ms": 500,
            "health_check_failure_threshold": 4,
        }
        head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.second = self.cluster.add_node(num_cpus=1)
        self.address = str(self.cluster.address)

    def kill_second(self) -> None:
        """SIGKILL, as when the power fails."""
        self.cluster.remove_node(self.second, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    try:
        yield made
    finally:
        made.cluster.shutdown()


def bucket(name: str, horizon: int, seed: int) -> TrainingSettings:
    return TrainingSettings(
        name, horizon, 12 * horizon, ("price", "rsi"), buffer_size=500, batch_size=8, episodes=8,
        seed=seed,
    )  # fmt: skip


def study(executor: Executor, folder: Path, on_progress: object = lambda now: None) -> bytes:
    settings = tuple((bucket("A", 2, seed), bucket("B", 3, seed)) for seed in range(3))
    candles = sample_market(4_000)
    run_study(
        Study(settings), candles, builtin_features(), executor, folder,
        on_progress=on_progress,  # type: ignore[arg-type]
    )  # fmt: skip
    return (folder / "results.json").read_bytes()


def test_a_killed_node_changes_nothing_in_the_table(nodes: Nodes, tmp_path: Path) -> None:
    done: list[int] = []

    def on_progress(now: StudyProgress) -> None:
        done.append(now.done)
        if now.done == 3:
            nodes.kill_second()

    found = study(RayExecutor(None, nodes.address), tmp_path / "ray", on_progress)
    assert done == list(range(13))
    assert found == study(InlineExecutor(), tmp_path / "inline")
    assert found == study(ProcessExecutor(2), tmp_path / "process")
    assert len(json.loads(found)["buckets"]) == 2


def run(executor: Executor, tasks: Sequence[Task], stop: bool = False) -> dict[str, object]:
    ended = executor.run(tasks, {"base": 40}, lambda: stop)
    return {one.key: one.error or one.result for one in ended}


def test_order_errors_and_deaths(nodes: Nodes, tmp_path: Path) -> None:
    """On the node that is left."""
    for name in ("twice", "always"):
        (tmp_path / name).mkdir()
    tasks = [
        Task("late", "ray_tasks:add", {"number": 2}, ("early",)),
        Task("early", "ray_tasks:add", {"number": 1}),
        Task("bad", "ray_tasks:refuse", {}),
        Task("after", "ray_tasks:add", {"number": 1}, ("bad",)),
        Task("wrong", "ray_tasks:break_down", {}),
        Task("missing", "ray_tasks:nothing", {}),
        Task("twice", "ray_tasks:die", {"folder": str(tmp_path / "twice"), "times": 2}),
    ]
    found = run(RayExecutor(2, nodes.address), tasks)
    assert list(found).index("early") < list(found).index("late")
    assert found["late"] == {"sum": 42}
    assert found["bad"] == "no candles"
    assert found["after"] == "needs bad, which failed"
    assert str(found["wrong"]).endswith("one over none (the log has the traceback)")
    assert "\n" not in str(found["wrong"])
    assert "cannot be found" in str(found["missing"])
    assert found["twice"] == {"deaths": 2}
    with pytest.raises(StepStoppedError):
        run(RayExecutor(1, nodes.address), [Task("a", "ray_tasks:add", {"number": 1})], stop=True)


def test_an_address_where_nothing_is_says_so() -> None:
    with pytest.raises(BtcAiError, match="leave --address out"):
        run(RayExecutor(None, "127.0.0.1:1"), [Task("a", "ray_tasks:add", {"number": 1})])


LOCAL = """
import json
from btc_ai_ray import make
from btc_ai.api.executor import Task

executor = make(1, None)
(done,) = executor.run([Task("a", "ray_tasks:listening", {})], {}, lambda: False)
print(json.dumps(done.result))
"""


def test_a_cluster_of_its_own_listens_on_the_loopback_address_alone() -> None:
    open_before = ray_tasks.listening({}, {}, lambda: False)["beyond"]
    done = subprocess.run(
        [sys.executable, "-c", LOCAL], capture_output=True, text=True, check=True, timeout=100
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["loopback"] > 3
    assert set(found["beyond"]) <= set(open_before)


class _Log:
    def error(self, event: str, **values: object) -> None:
        raise AssertionError(event)

    debug = info = warning = error


def test_the_plugin_is_found_by_its_name() -> None:
    assert isinstance(installed_executors(_Log()).make("ray", 2, None), RayExecutor)
    with pytest.raises(UsageError, match="at least 1"):
        installed_executors(_Log()).make("ray", 0, None)
