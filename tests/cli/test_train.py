"""Runs through the real command line, daemon and worker."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import House, open_house

SAMPLE = ("train", "--market", "sample")


def test_a_run_ends_with_models_metrics_and_a_summary(house: House) -> None:
    text = house.run(*SAMPLE, "--sequence", "Scalping", "Short", "--episodes", "4")
    assert "started a daemon in the background" in text
    assert "from Scalping: 5 features matched, 1 new" in text
    assert "SAMPLE/USDT 5m (synthetic)" in text
    shown = house.json("show", "--history")
    assert [step["bucket"] for step in shown["steps"]] == ["Scalping", "Short"]
    for step in shown["steps"]:
        model = Path(step["outcome"]["model"])
        card = json.loads((model / "model.json").read_text())
        assert (model / "model.safetensors").is_file()
        assert (model.parent / "latest").resolve() == model
        assert card["weights_sha256"] == step["outcome"]["weights_sha256"]
        assert [row["episode"] for row in step["history"]] == [1, 2, 3, 4]
        assert {"flat", "buy_and_hold", "model"} == set(step["outcome"]["evaluation"])
    ledger = model.parents[1] / "trials.jsonl"
    trials = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [trial["bucket"] for trial in trials] == ["Scalping", "Short"]
    assert trials[1]["key"] == f"{model}:{card['weights_sha256']}"
    assert "chosen on validation" in house.run("show")
    assert shown["run"] in house.run("runs")
    assert "done" in house.run("status")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which all but the first run wait."""
    with open_house(tmp_path_factory.mktemp("busy")) as house:
        house.configure(BUFFER_SIZE=50_000)
        house.run(*SAMPLE, "--bucket", "Long", "--episodes", "100", "--detach")
        yield house


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sequence", "Short", "Medium", "--episodes", "1", "--no-transfer"),
        ("--episodes", "1", "--no-transfer", "--sequence", "Short", "Medium"),
        ("--sequence", "Short,Medium", "--no-transfer", "--episodes", "1"),
        ("--sequence", "Short", "--no-transfer", "--sequence", "Medium", "--episodes", "1"),
    ],
)
def test_the_sequence_may_stand_anywhere(busy: House, arguments: tuple[str, ...]) -> None:
    lines = busy.run(*SAMPLE, *arguments, "--detach", "--json").splitlines()
    started = next(json.loads(line) for line in lines if line.startswith("{"))
    shown = busy.json("show", started["run"])
    assert [step["bucket"] for step in shown["steps"]] == ["Short", "Medium"]
    assert not shown["transfer"]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(house: House) -> None:
    for seed in ("3", "3", "4"):
        house.run(*SAMPLE, "--bucket", "Short", "--episodes", "1", "--seed", seed)
    runs = [run["run"] for run in house.json("runs")]
    other, again, first = [house.weights(run) for run in runs]
    assert first == again != other


def _kill_worker(house: House) -> None:
    house.wait_for(lambda: house.worker_pids)
    os.kill(house.worker_pids[0], signal.SIGKILL)


def _kill_daemon(house: House) -> None:
    pid, workers = house.daemon_pid, house.worker_pids
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    house.wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))
    house.run("daemon", "start")


def _stop_and_resume(house: House) -> None:
    house.run("stop")
    assert house.json("show")["state"] == "stopped"
    house.run("train", "--resume", "--detach")


def _pause_and_continue(house: House) -> None:
    house.run("pause")
    assert not house.worker_pids
    house.run("daemon", "restart")
    assert house.json("show")["state"] == "paused"
    house.run("continue")


def _restart(house: House) -> None:
    house.run("daemon", "restart")


LONG_RUN = (*SAMPLE, "--sequence", "Scalping", "Short", "--episodes", "12")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The weights of LONG_RUN when nothing happens to it."""
    with open_house(tmp_path_factory.mktemp("undisturbed")) as house:
        house.configure(BUFFER_SIZE=8192)
        house.run(*LONG_RUN)
        return house.weights()


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(_kill_worker, marks=pytest.mark.soak),
        _kill_daemon,
        pytest.param(_pause_and_continue, marks=pytest.mark.soak),
        *(pytest.param(one, marks=pytest.mark.soak) for one in (_stop_and_resume, _restart)),
    ],
)
def test_a_run_goes_on_bit_identical_after(
    house: House, undisturbed: list[str], fault: Callable[[House], None]
) -> None:
    house.configure(BUFFER_SIZE=8192)
    house.run(*LONG_RUN, "--detach")
    for at in (4, 16):
        house.wait_for(lambda at=at: house.episode() >= at)
        fault(house)
    house.run("watch")
    assert house.weights() == undisturbed
    rows = [step["history"] for step in house.json("show", "--history")["steps"]]
    assert [[row["episode"] for row in one] for one in rows] == [list(range(1, 13))] * 2


@pytest.mark.slow
@pytest.mark.soak
def test_a_run_goes_on_bit_identical_after_its_plugin_has_died(
    house: House, undisturbed: list[str]
) -> None:
    house.configure(BUFFER_SIZE=8192, PLUGINS={"training": {"ISOLATION": "process"}})
    house.run(*LONG_RUN, "--detach")
    for at in (4, 16):
        house.wait_for(lambda at=at: house.episode() >= at)
        [worker], pid = house.worker_pids, house.ask("daemon.plugin", plugin="training")["pid"]
        os.kill(pid, signal.SIGKILL)
        house.wait_for(lambda pid=pid: _ready_again(house, pid))
        assert worker not in house.worker_pids
    house.run("watch")
    assert house.weights() == undisturbed


def _ready_again(house: House, pid: int) -> bool:
    found = house.ask("daemon.plugin", plugin="training")
    return bool(found["state"] == "ready" and found["pid"] != pid)


def test_interrupting_the_command_leaves_the_run_going(house: House) -> None:
    house.configure(BUFFER_SIZE=20_000)
    process = house.popen(*SAMPLE, "--bucket", "Scalping", "--episodes", "100")
    assert process.stdout is not None
    while "Scalping 1/100" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "goes on" in err
    assert "btc-ai watch" in err
    assert house.json("show")["state"] == "running"
    assert "stopped" in house.run("stop")


def test_runs_wait_their_turn(house: House) -> None:
    house.run(*SAMPLE, "--bucket", "Scalping", "--episodes", "3", "--detach")
    second = house.run(*SAMPLE, "--bucket", "Short", "--episodes", "1")
    assert "waits for 1 other run" in second
    assert [run["state"] for run in house.json("runs")] == ["done", "done"]


def test_pause_between_buckets_is_kept(house: House) -> None:
    progressive = {"EPISODES_PER_BUCKET": 1, "PAUSE_BETWEEN_BUCKETS": 2}
    house.configure(PROGRESSIVE_TRAINING=progressive)
    house.run(*SAMPLE, "--sequence", "Scalping", "Short")
    first, second = house.json("show")["steps"]
    assert first["episodes"] == 1
    assert second["started"] - first["ended"] >= 2


def test_a_fifth_bucket_works(house: House) -> None:
    bucket = {"MIN_HORIZON": 3, "MAX_HORIZON": 30, "FEATURES": ["price", "fibonacci"]}
    house.configure(BUCKET_CONFIGS={"Blink-5": bucket})
    house.run(*SAMPLE, "--episodes", "1")
    assert house.json("show")["steps"][0]["bucket"] == "Blink-5"


def test_resume_of_a_bucket_trains_its_latest_model_further(house: House) -> None:
    house.run(*SAMPLE, "--bucket", "Short", "--episodes", "3")
    before = house.json("show")["steps"][0]["outcome"]
    text = house.run("train", "--resume", "--bucket", "Short", "--episodes", "2")
    assert "trains the latest model of Short further" in text
    after = house.json("show")["steps"][0]
    assert after["continued_from"] == before["model"]
    assert after["outcome"]["episodes"] == 5
    assert house.json("show")["symbol"] == "SAMPLE/USDT"


def test_resume_takes_up_the_bucket_and_then_the_rest(house: House) -> None:
    house.configure(BUFFER_SIZE=20_000)
    house.run(*SAMPLE, "--sequence", "Scalping", "Short", "--episodes", "8", "--detach")
    house.wait_for(lambda: house.episode() >= 2)
    house.run("stop")
    house.configure(BUFFER_SIZE=2048)
    refused = house.run("train", "--resume", code=1)
    assert "Scalping, BUFFER_SIZE: 20000 in the run, 2048 now" in refused
    house.configure(BUFFER_SIZE=20_000)
    house.run("train", "--resume", "--bucket", "Short")
    scalping, short = house.json("show")["steps"]
    assert scalping["state"] == short["state"] == "done"
    assert short["ended"] < scalping["ended"]


def test_watch_survives_a_restart_of_the_daemon(house: House) -> None:
    house.configure(BUFFER_SIZE=20_000)
    house.run(*SAMPLE, "--bucket", "Scalping", "--episodes", "10", "--detach")
    watching = house.popen("watch", "--json")
    house.wait_for(lambda: house.episode() >= 2)
    house.run("daemon", "restart")
    out, err = watching.communicate(timeout=60)
    assert watching.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["state"] == "done"


def test_status_is_quick_to_answer_while_training(house: House) -> None:
    house.configure(BUFFER_SIZE=20_000)
    house.run(*SAMPLE, "--bucket", "Scalping", "--episodes", "60", "--detach")
    house.wait_for(lambda: house.episode() >= 1)
    begun = time.monotonic()
    assert "running" in house.run("status")
    assert time.monotonic() - begun < 5
    house.run("stop")
