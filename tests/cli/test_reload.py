"""The daemon reads its configuration again, on a command and on SIGHUP."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import House


@pytest.fixture
def running(house: House) -> House:
    house.run("daemon", "start")
    return house


def log(house: House) -> str:
    return (Path(house.json("daemon", "status")["log_dir"]) / "btc_ai.log").read_text()


def test_reload_names_what_changed(running: House) -> None:
    assert "nothing has changed" in running.run("daemon", "reload")
    running.configure(SEED=3, LOGGING={"LEVEL": "WARNING"}, LOG_DIR="Other", DATA_DIR="Candles")
    assert running.run("daemon", "reload").splitlines() == [
        "LOGGING.LEVEL: in force now",
        "DATA_DIR: in force for jobs that begin from now on",
        "SEED: in force for jobs that begin from now on",
        "LOG_DIR: waits for `btc-ai daemon restart`",
    ]
    assert "changes wait for a restart settings=LOG_DIR " in log(running)
    status = running.json("daemon", "status")
    assert status["data_dir"] == str(running.root / "Candles")
    assert status["log_dir"] != str(running.root / "Other")
    running.run("daemon", "restart")
    assert running.json("daemon", "status")["log_dir"] == str(running.root / "Other")


def test_reload_refuses_a_file_that_is_wrong(running: House) -> None:
    running.config_file.write_text('{"SEEED": 1}')
    assert "did you mean 'SEED'" in running.run("daemon", "reload", code=1)
    assert running.daemon_pid


def test_hangup_reloads(running: House) -> None:
    pid = running.daemon_pid
    assert pid
    running.configure(SEED=4)
    os.kill(pid, signal.SIGHUP)
    running.wait_for(lambda: "configuration read anew" in log(running))
    running.config_file.write_text("{")
    os.kill(pid, signal.SIGHUP)
    running.wait_for(lambda: "configuration refused, the old one holds" in log(running))
    assert running.daemon_pid == pid


def test_a_closed_terminal_stops_the_daemon_in_it(house: House) -> None:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "btc_ai.cli.app", "daemon", "run"],
        env=house.environment, stdin=its, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(its)
    try:
        house.wait_for((house.runtime / "commands.sock").exists)
        os.close(ours)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_reload_without_a_daemon(house: House) -> None:
    assert "btc-ai daemon start" in house.run("daemon", "reload", code=3)
