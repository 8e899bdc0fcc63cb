"""The hub and a page's WebSocket: numbers, what comes first, who is too slow."""

import base64
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from btc_ai.api.messages import Heard
from btc_ai.dashboard import live
from btc_ai.dashboard.live import Hub
from btc_ai.dashboard.socket import TRY_AGAIN_LATER
from tests.dashboard.conftest import RUN, Daemon, Served

PROGRESS = {"run": RUN, "position": 1, "bucket": "Short", "episode": 5, "metrics": {"reward": 1.0}}


def told(page: Any) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(page.receive_text())
    return message


def connect(client: TestClient) -> Any:
    """A page."""
    return client.websocket_connect("/ws", headers={"Host": client.base_url.netloc.decode()})


def test_every_page_hears_the_same_under_the_same_numbers(daemon: Daemon) -> None:
    with connect(daemon.client) as first, connect(daemon.client) as second:
        hello = told(first)
        assert hello["type"] == "hello" and hello["boot"] == daemon.dashboard.parts.boot
        assert hello["link"]["connected"] is True
        assert [one["kind"] for one in hello["last"]] == ["training.run"]
        assert told(second)["seq"] == hello["seq"]
        daemon.hear("training.progress", PROGRESS)
        daemon.hear("bus.secret", {"not": "shown"})
        daemon.hear("transfer.verdict", {"run": RUN, "bad": float("nan")})
        for page in (first, second):
            one, two = told(page), told(page)
            assert (one["seq"], two["seq"]) == (hello["seq"] + 1, hello["seq"] + 2)
            assert (one["kind"], one["body"]) == ("training.progress", PROGRESS)
            assert (two["kind"], two["body"]["bad"]) == ("transfer.verdict", None)
    with connect(daemon.client) as late:
        again = told(late)
        assert again["seq"] == hello["seq"] + 2
        assert {one["kind"] for one in again["last"]} == {"training.run", "training.progress"}
        assert again["link"]["heard"] is not None
    daemon.client.portal.call(lambda: None)  # type: ignore[union-attr]  # its loop goes on
    assert daemon.dashboard.parts.hub.pages == 0


def test_a_page_that_asks_for_nonsense_is_let_go(daemon: Daemon) -> None:
    for nonsense in ("{", "[]", '{"type": "logs", "filter": {"level": 3}}', '{"type": "stop"}'):
        with connect(daemon.client) as page:
            told(page)
            page.send_text(nonsense)
            with pytest.raises(WebSocketDisconnect) as end:
                page.receive_text()
            assert end.value.code == 1008


def test_a_slow_page_is_let_go_and_costs_the_others_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "QUEUED", 20)
    hub = served.dashboard.parts.hub
    with _page(served.url) as slow:
        _wait_for(lambda: hub.pages == 1)
        while hub.pages:
            served.call(lambda: hub.tell_event("signal", {"text": "x" * 200_000}, "s", 1.0))
        slow.settimeout(10)
        end, read = TRY_AGAIN_LATER.to_bytes(2, "big") + b"too slow", b""
        while end not in read:
            chunk = slow.recv(1 << 20)
            assert chunk, "closed without a word"
            read = read[-100:] + chunk


def _page(url: str) -> socket.socket:
    """A WebSocket that reads nothing."""
    made = socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0))
    key = base64.b64encode(os.urandom(16)).decode()
    made.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nUpgrade: websocket\r\nConnection: "
        f"Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return made


def _wait_for(what: Any, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_hub_keeps_the_newest_of_each_run_and_no_more() -> None:
    hub = Hub()
    for number in range(live.KEPT + 10):
        body = {"run": f"r{number}", "position": 0}
        hub.hear(Heard("training.progress", body, "training", None, number, 5.0))
        hub.hear(Heard("training.progress", body, "training", None, number, 6.0))
    hello = json.loads(hub.join("boot").waiting.get_nowait())
    assert len(hello["last"]) == live.KEPT
    assert hello["last"][-1]["body"]["run"] == f"r{live.KEPT + 9}"
    assert hello["seq"] == 2 * (live.KEPT + 10) and hello["link"]["heard"] == 6.0


def test_log_lines_come_as_they_are_logged_as_text_alone(client: TestClient, root: Path) -> None:
    logs = root / "Logs"
    logs.mkdir()
    line = "2026-11-26 12:00:0{},000 - btc_ai.training - {} - {}\n"
    file = logs / "btc_ai.log"
    file.write_text(line.format(0, "INFO", "before"))
    with connect(client) as page:
        told(page)
        page.send_text(json.dumps({"type": "logs", "filter": {"level": "WARNING", "run": ""}}))
        time.sleep(0.3)
        with file.open("a") as log:
            log.write(line.format(1, "INFO", "too low"))
            log.write(line.format(2, "ERROR", "<img src=x onerror=alert(1)> \\x1b[31m"))
            log.write(line.format(3, "WARNING", "next"))
        records: list[dict[str, Any]] = []
        while len(records) < 2:
            message = told(page)
            records += message["records"] if message["type"] == "log" else []
        assert records[0]["text"] == "<img src=x onerror=alert(1)> \\x1b[31m"
        assert (records[0]["level"], records[0]["name"]) == ("ERROR", "btc_ai.training")
        assert records[1]["text"] == "next"
        page.send_text(json.dumps({"type": "logs", "filter": None}))


def test_a_log_that_cannot_be_read_is_said_to_be_so(client: TestClient, root: Path) -> None:
    (root / "Logs").write_text("this is no folder")
    with connect(client) as page:
        told(page)
        page.send_text(json.dumps({"type": "logs", "filter": {}}))
        message = told(page)
        while message["type"] == "beat":
            message = told(page)
    assert message["type"] == "log_problem" and str(root / "Logs") in message["text"]


def test_nothing_of_it_is_logged_by_the_servers_library(served: Served) -> None:
    assert logging.getLogger("uvicorn.error").level == logging.ERROR
