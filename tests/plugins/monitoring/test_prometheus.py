"""What Prometheus is told, and who else is not."""

import http.client
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from btc_ai.api.errors import PluginError
from btc_ai.history.prometheus import Snapshot, metrics_registry
from btc_ai.plugins.monitoring.endpoint import Endpoint
from tests.plugins.monitoring.test_system import sample

DOCS = Path(__file__).parents[3] / "docs/monitoring.md"


def full() -> Snapshot:
    body = sample(0.5, 0.5).model_dump()
    body["host"]["disk_free_mb"] = 2.0
    body["gpus"][0]["power_w"] = 70.0
    body["processes"] = [
        {"name": "worker.x", "pid": 1, "cpu": 0.5, "memory_mb": 10.0, "gpu_memory_mb": None}
    ]
    episode = {"run": "r", "bucket": "Long", "episode": 3, "eta_s": 1.5,
               "metrics": {"reward": 0.25, "win_rate": None}}  # fmt: skip
    return Snapshot(body, {"degraded": None, "waiting": 2, "written": 7}, [episode])


def ask(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def told(snapshot: Snapshot) -> dict[str, list[tuple[dict[str, str], float]]]:
    endpoint = Endpoint(metrics_registry(lambda: snapshot), 0)
    try:
        status, text = ask(endpoint.port)
    finally:
        endpoint.close()
    assert status == 200
    return {
        family.name: [(one.labels, one.value) for one in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_samples_are_in_base_units() -> None:
    found = told(full())
    assert found["btc_ai_disk_free_bytes"] == [({}, 2 << 20)]
    assert found["btc_ai_gpu_power_watts"] == [({"gpu": "0", "name": "Card"}, 70.0)]
    assert found["btc_ai_gpu_temperature_celsius"] == []
    assert found["btc_ai_process_memory_bytes"] == [({"process": "worker.x"}, 10 << 20)]
    assert found["btc_ai_training_metric"] == [
        ({"run": "r", "bucket": "Long", "metric": "reward"}, 0.25)
    ]
    assert found["btc_ai_history_degraded"] == [({}, 0.0)]
    assert found["btc_ai_history_written"] == [({}, 7)]


def test_before_the_first_sample_there_is_only_the_version() -> None:
    found: dict[str, list[Any]] = {name: rows for name, rows in told(Snapshot()).items() if rows}
    assert list(found) == ["btc_ai_build_info"]


def test_every_name_is_documented_and_no_other() -> None:
    families = metrics_registry(Snapshot).collect()
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert names == set(re.findall(r"`(btc_ai_[a-z0-9_]+)`", DOCS.read_text()))


def test_only_metrics_and_only_for_this_machine() -> None:
    endpoint = Endpoint(metrics_registry(full), 0)
    try:
        assert ask(endpoint.port, Host=f"localhost:{endpoint.port}")[0] == 200
        for host in ("evil.example", f"evil.example:{endpoint.port}", "localhost", "127.0.0.1:1"):
            status, text = ask(endpoint.port, Host=host)
            assert status == 403 and "btc_ai" not in text
        assert ask(endpoint.port, "/")[0] == 404
    finally:
        endpoint.close()
    with pytest.raises(OSError, match="refused"):
        ask(endpoint.port)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PluginError, match=f"127.0.0.1:{port} for MONITORING.METRICS_PORT"):
            Endpoint(metrics_registry(Snapshot), port)
