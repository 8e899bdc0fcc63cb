"""Monitoring in a real daemon: beside training, killed, and started anew."""

import os
import signal
import sqlite3
from typing import Any

import pytest

from btc_ai.bus.client import Client
from btc_ai.config import Config
from btc_ai.daemon.hosting.context import visible_to
from btc_ai.history.queries import History
from btc_ai.paths import history_file
from tests.conftest import House

MONITORED = {"ENABLED": True, "UPDATE_INTERVAL": 0.5, "GENERATE_REPORTS": False}


def plugin(house: House) -> dict[str, Any]:
    with Client(house.runtime) as client:
        plugins = client.call("daemon.status")["plugins"]
    found: dict[str, Any] = next(one for one in plugins if one["name"] == "monitoring")
    return found


def episode(house: House) -> int:
    with Client(house.runtime) as client:
        runs = client.call("training.runs")["runs"]
    return int(runs[0]["steps"][0]["episode"]) if runs else 0


def open_history(house: House) -> History:
    return History.open(Config.model_validate({"MODELS_DIR": str(house.root / "Models")}))


def episodes(house: House, run: str) -> list[int]:
    with open_history(house) as history:
        curves = history.curves(run, 0, ["reward"])
        return curves[0].episode if curves else []


@pytest.mark.slow
def test_a_run_is_in_the_history_whatever_becomes_of_monitoring(house: House) -> None:
    house.configure(MONITORING=MONITORED)
    house.run("daemon", "start")
    house.wait_for(lambda: plugin(house)["state"] == "ready")
    assert plugin(house)["isolation"] == "process"
    training = ("train", "--market", "sample", "--bucket", "Scalping", "--episodes", "12")
    with house.popen(*training) as client:
        try:
            house.wait_for(lambda: episode(house) >= 2)
            os.kill(plugin(house)["pid"], signal.SIGKILL)
            client.communicate(timeout=120)
        finally:
            client.kill()
    assert client.returncode == 0
    (run,) = [one["run"] for one in house.json("runs")]
    house.wait_for(lambda: plugin(house)["state"] == "ready")
    house.wait_for(lambda: episodes(house, run) == list(range(1, 13)))
    with open_history(house) as history:
        (row,) = history.runs()
        assert (row.state, row.buckets[0].bucket) == ("done", "Scalping")
        assert [one.kind for one in history.checkpoints(run)] == ["model"]
        assert any(one.kind == "plugin.state" for one in history.events())
        names = {one.name for one in history.system(row.created - 60, row.updated + 60)}
        assert {
            "host.cpu",
            "process.daemon.memory_mb",
            f"process.worker.training.{run}.cpu",
        } <= names
    house.run("daemon", "restart")
    house.wait_for(lambda: plugin(house)["state"] == "ready")
    with sqlite3.connect(history_file(house.root / "Models")) as database:
        before = database.execute("SELECT count(*) FROM metrics").fetchone()
    asked = ("plugins", "call", "monitoring.curves", f"run={run}", 'names=["reward"]')
    assert '"arm": "main"' in house.run(*asked)
    with sqlite3.connect(history_file(house.root / "Models")) as database:
        assert database.execute("SELECT count(*) FROM metrics").fetchone() == before


def test_it_does_not_run_where_monitoring_is_switched_off(house: House) -> None:
    house.run("daemon", "start")
    assert plugin(house)["state"] == "disabled"
    house.configure(MONITORING=MONITORED)
    assert "MONITORING.ENABLED" in house.run("daemon", "reload")
    house.wait_for(lambda: plugin(house)["state"] == "ready")


def test_the_history_s_password_is_shown_nowhere(house: House) -> None:
    url = "postgresql://me:s3cret-word@localhost:1/none"
    house.configure(MONITORING=MONITORED, HISTORY_URL=url)
    assert "s3cret" not in house.run("config", "show")
    house.run("daemon", "start")
    house.wait_for(lambda: plugin(house)["status"].get("history", {}).get("degraded"))
    assert "s3cret" not in str(plugin(house)) + house.run("plugins", "info", "monitoring")
    logged = "".join(path.read_text() for path in (house.root / "Logs").iterdir())
    assert "the history cannot be written" in logged and "s3cret" not in logged
    house.configure(HISTORY_URL="mysql://me:s3cret-word@localhost/x")
    assert "s3cret" not in (said := house.run("config", "check", code=None))
    assert "HISTORY_URL" in said


def test_a_plugin_of_another_s_does_not_see_the_password() -> None:
    config = Config(HISTORY_URL="postgresql://me:s3cret-word@localhost/history")
    assert visible_to("monitoring", config).HISTORY_URL == config.HISTORY_URL
    assert visible_to("notify", config).HISTORY_URL == "postgresql://***@localhost/history"
