"""`btc-ai monitor` beside a real daemon, and without one."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.conftest import House

Body = dict[str, Any]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def monitoring(house: House, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A monitor in the foreground and its address; it ends with Ctrl-C, exit code 0."""
    with house.popen("monitor", "--no-open", *options) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline(), process.stdout.readline()]
            url = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines))
            assert url, lines
            house.wait_for(lambda: _answers(url[0]))
            yield url[0], process
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/hello").status_code == 200
    except httpx.TransportError:
        return False


def until(page: ClientConnection, kind: str, limit_s: float = 90, **more: Any) -> Body:
    """The next message of a type (or event of a kind) that has these fields."""
    end = time.monotonic() + limit_s
    while True:
        message: Body = json.loads(page.recv(timeout=max(0.1, end - time.monotonic())))
        named = kind in (message["type"], message.get("kind"))
        if named and all(message.get(key) == value for key, value in more.items()):
            return message


def until_link(page: ClientConnection, connected: bool) -> Body:
    """The message that the daemon is heard, or is not; it says why, each time that changes."""
    found = until(page, "link", 30)
    while found["link"]["connected"] is not connected:
        found = until(page, "link", 30)
    return found


@pytest.mark.slow
def test_a_dashboard_follows_a_daemon_from_its_start_through_a_restart_to_its_end(
    house: House,
) -> None:
    """The daemon's own comes back at its port; the other one goes on, and says what happened."""
    house.configure(
        MONITORING={"ENABLED": True, "UPDATE_INTERVAL": 0.5, "GENERATE_REPORTS": False},
        DASHBOARD={"PORT": free_port()},
    )
    models, asked = house.root / "Models", {"bucket": "Scalping", "market": "sample", "episodes": 3}
    start = {"kind": "training.start", "body": asked}
    own = f"http://127.0.0.1:{house.config['DASHBOARD']['PORT']}"
    with monitoring(house, "--port", str(free_port())) as (url, process), httpx.Client() as web:
        hello = web.get(f"{url}/api/hello").json()
        assert hello["mode"] == "folder" and not hello["link"]["lost"]
        web.headers["X-CSRF-Token"] = hello["csrf"]
        assert web.post(f"{url}/api/commands", json=start).status_code == 503
        with connect(f"{url.replace('http', 'ws')}/ws") as page:
            assert not until(page, "hello")["link"]["connected"]
            assert house.daemon_pid is None and not models.exists()
            house.run("daemon", "start")
            until_link(page, True)
            house.wait_for(lambda: _answers(own))
            assert house.run("monitor", "--no-open") == f"{own}\n"
            assert own in house.run("plugins", "info", "dashboard")
            until(page, "monitoring.sample")
            assert web.get(f"{url}/api/hello").json()["mode"] == "daemon"
            with monitoring(house, "--models-dir", str(house.root / "Other")) as (other, _):
                hello = web.get(f"{other}/api/hello").json()
                csrf = {"X-CSRF-Token": hello["csrf"]}
                refused = web.post(f"{other}/api/commands", json=start, headers=csrf)
                assert (hello["mode"], refused.status_code) == ("folder", 503)
                assert f"another models folder, {models}" in refused.text
                house.wait_for(
                    lambda: web.get(f"{other}/api/hello").json()["link"]["other"] == str(models)
                )
            run = web.post(f"{url}/api/commands", json=start).json()["result"]["run"]
            progress = until(page, "training.progress")
            assert progress["body"]["run"] == run
            house.run("daemon", "restart")
            lost = until(page, "link", 20)["link"]
            assert not lost["connected"] and lost["lost"] and "daemon" in lost["text"]
            assert until_link(page, True)["seq"] > progress["seq"]
            house.wait_for(lambda: _answers(own))
            until(page, "monitoring.sample")
            names = [one["run"] for one in web.get(f"{own}/api/runs").json()["runs"]]
            assert names == [run]
            house.run("daemon", "stop")
            until_link(page, False)
            assert web.get(f"{url}/api/hello").json()["mode"] == "folder"
            left = _state(models)
            for path in ("overview", "runs", f"runs/{run}/curves", "system"):
                assert web.get(f"{url}/api/{path}").status_code == 200, path
            assert web.get(f"{url}/api/runs/latest").json()["run"]["run"] == run
            assert web.post(f"{url}/api/commands", json=start).status_code == 503
        assert process.poll() is None
    assert house.daemon_pid is None and _state(models) == left


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, with its size and time."""
    found = {str(one): one.stat() for one in folder.rglob("*")}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def test_without_a_daemon_any_folder_is_shown_and_none_is_made(house: House) -> None:
    with monitoring(house, "--models-dir", str(house.root / "Elsewhere")) as (url, _):
        assert httpx.get(f"{url}/api/hello").json()["mode"] == "folder"
        (problem,) = httpx.get(f"{url}/api/overview").json()["problems"]
        assert "there is no folder" in problem and "Elsewhere" in problem
    assert not (house.root / "Elsewhere").exists()


def test_a_folder_that_is_none_is_said(house: House) -> None:
    said = house.run("monitor", "--no-open", "--models-dir", str(house.config_file), code=2)
    assert f"{house.config_file} is no folder" in said


def test_a_port_that_cannot_be_had_is_said(house: House) -> None:
    house.configure(DASHBOARD={"ADDRESS": "192.0.2.1", "HOSTS": ["trainer.example"]})
    said = house.run("monitor", "--no-open", code=1)
    assert "cannot listen on 192.0.2.1" in said and "--port" in said
    house.configure(DASHBOARD={"ADDRESS": "0.0.0.0"})
    assert "must have the name that browsers reach 0.0.0.0" in house.run("monitor", code=1)
    assert "does not go with --host" in house.run("--host", "x", "monitor", code=2)
