"""The logs of a daemon at work: what is bound, the level, and files that cannot be written."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House

BOUND = ("run", "bucket", "plugin", "command")


def records(folder: Path, name: str = "btc_ai.log") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


@pytest.fixture
def at_work(house: House) -> House:
    house.configure(LOGGING={"LOG_FORMAT": "json"})
    house.run("daemon", "start")
    return house


def folder(house: House) -> Path:
    return Path(house.json("daemon", "status")["log_dir"])


def test_a_run_is_bound_to_what_it_logs_and_survives_the_folder_s_loss(at_work: House) -> None:
    logs = folder(at_work)
    at_work.run("logs", "level", "DEBUG", "--for", "training", "--minutes", "5")
    at_work.run(
        "train", "--market", "sample", "--bucket", "Scalping", "--episodes", "2", "--seed", "1"
    )
    run = at_work.json("runs")[0]["run"]
    training = records(logs, "training.log")
    assert [one["message"] for one in training].count("episode") == 2
    bound = {key: {one[key] for one in training if one["message"] == "episode"} for key in BOUND}
    assert (bound["run"], bound["bucket"], bound["plugin"]) == ({run}, {"Scalping"}, {"training"})
    audit = [one for one in records(logs) if one["logger"] == "btc_ai.audit"]
    started = next(one for one in audit if one["kind"] == "training.start")
    assert bound["command"] == {started["command"]}
    ends = [one for one in training if one["message"] in ("job begins", "bucket ends", "job ends")]
    assert len(ends) == 3 and all(one["run"] == run for one in ends)
    assert "DEBUG until " in at_work.run("logs", "level")
    assert "levels changed: training: DEBUG" in at_work.run("daemon", "status")
    at_work.run("logs", "level", "default", "--for", "training")
    assert at_work.run("logs", "level") == "everything: INFO\n"

    shutil.rmtree(logs)
    at_work.run(
        "train", "--market", "sample", "--bucket", "Short", "--episodes", "1", "--no-transfer"
    )
    assert {one["bucket"] for one in records(logs, "training.log") if "bucket" in one} == {"Short"}
    pid = at_work.daemon_pid
    assert pid and oct((logs / "btc_ai.log").stat().st_mode)[-3:] == "640"


def test_level_of_everything(at_work: House) -> None:
    at_work.run("logs", "level", "error")
    at_work.run("daemon", "reload")
    assert [one["level"] for one in records(folder(at_work))[-2:]] == ["INFO", "INFO"]
    assert records(folder(at_work))[-1]["logger"] == "btc_ai.audit"
    assert "no level" in at_work.run("logs", "level", "LOUD", code=2)
    assert "nothing logs as 'nobody'" in at_work.run(
        "logs", "level", "INFO", "--for", "nobody", code=2
    )
    assert "--minutes" in at_work.run("logs", "level", "--minutes", "3", code=2)


def test_level_without_a_daemon(house: House) -> None:
    assert "btc-ai daemon start" in house.run("logs", "level", "DEBUG", code=3)


def test_files_that_cannot_be_written_are_told_of(house: House) -> None:
    house.run("daemon", "start")
    logs = folder(house)
    shutil.rmtree(logs)
    logs.write_text("in the way")
    house.wait_for(lambda: "cannot be written: " in _poked(house))
    logs.unlink()
    house.wait_for(lambda: "cannot be written" not in _poked(house))
    house.wait_for(lambda: "logs can be written again" in house.run("logs"))


def _poked(house: House) -> str:
    """The daemon's status, after a command that leaves a record."""
    house.run("daemon", "reload")
    return house.run("daemon", "status")
