"""Stalls, deaths and limits of a worker, seen through the real command line."""

import os
import signal

import pytest

from tests.conftest import House

RUN = ("train", "--market", "sample", "--bucket", "Scalping", "--episodes", "40", "--seed", "3")


def _worker_is(house: House, state: str) -> bool:
    return [one["state"] for one in house.ask("daemon.status")["workers"]] == [state]


def _restarts(house: House) -> int:
    return sum(house.ask("training.show")["steps"][0]["restarts"].values())


@pytest.mark.slow
def test_a_stalled_run_is_shown_and_goes_on(house: House) -> None:
    house.configure(SUPERVISION={"STALLED_AFTER": 3}, BUFFER_SIZE=20_000)
    house.run(*RUN, "--detach")
    house.wait_for(lambda: house.episode() >= 1)
    (pid,) = house.worker_pids
    os.kill(pid, signal.SIGSTOP)
    try:
        house.wait_for(lambda: _worker_is(house, "stalled"))
        assert "stalled: its worker has been silent for" in house.run("status")
        assert "stalled: its worker has been silent for" in house.run("show")
        assert f": stalled, process {pid}, silent for" in house.run("daemon", "status")
        assert house.json("show")["steps"][0]["stalled_since"] > 0
    finally:
        os.kill(pid, signal.SIGCONT)
    house.wait_for(lambda: _worker_is(house, "running"))
    assert house.json("show")["steps"][0]["stalled_since"] is None
    house.run("stop")
    log = (house.root / "Logs/btc_ai.log").read_text()
    assert "WARNING - worker is stalled" in log and "worker is stalled no more" in log


@pytest.mark.slow
def test_deaths_are_tallied_by_cause_and_continue_forgets_them(house: House) -> None:
    house.configure(BUFFER_SIZE=5_000_000)  # no worker gets through an episode
    house.run(*RUN, "--detach")
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL):
        house.wait_for(lambda: house.worker_pids and _worker_is(house, "running"))
        os.kill(house.worker_pids[0], number)
        house.wait_for(lambda: not house.worker_pids)
    house.wait_for(lambda: _restarts(house) == 3)
    causes = {"signal SIGKILL": 2, "signal SIGSEGV": 1}
    assert house.json("show")["steps"][0]["restarts"] == causes
    assert "restarts: 2 × signal SIGKILL, 1 × signal SIGSEGV" in house.run("show")
    assert "died: 2 × signal SIGKILL, 1 × signal SIGSEGV" in house.run("daemon", "status")
    for _ in range(2):
        house.wait_for(lambda: house.worker_pids)
        os.kill(house.worker_pids[0], signal.SIGKILL)
        house.wait_for(lambda: not house.worker_pids)
    house.wait_for(lambda: house.ask("training.show")["state"] == "failed")
    shown = house.json("show")
    assert "died too often (4 × signal SIGKILL, 1 × signal SIGSEGV)" in shown["error"]
    assert sum(shown["steps"][0]["restarts"].values()) == 5
    house.run("continue")
    assert house.json("show")["steps"][0]["restarts"] == {}
    house.run("stop")


@pytest.mark.slow
def test_a_worker_that_is_granted_little_memory_makes_do_or_says_so(house: House) -> None:
    """How far it gets with so little depends on the versions installed; that none dies does not."""
    house.configure(SUPERVISION={"WORKER_MEMORY_MB": 490}, BATCH_SIZE=256, USE_GPU=False)
    text = house.run(*RUN[:-3], "3", code=None)
    shown = house.json("show")
    (step,) = shown["steps"]
    assert shown["state"] == "done" or "Raise SUPERVISION.WORKER_MEMORY_MB" in shown["error"]
    assert "of 0.5 GiB in use" in text
    assert [note for note in step["memory"] if note["what"] == "rung"]
    assert step["restarts"] == {}
