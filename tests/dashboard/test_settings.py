"""Settings: shown without secrets, changed as the file is, saved whole or not at all."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from btc_ai.config import Config
from btc_ai.config.edit import flat
from btc_ai.config.effect import AT_ONCE, AT_START, effect_of
from tests.dashboard.conftest import Daemon

SECRET = "postgresql://me:s3cret@host/db"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def change(client: TestClient, file: Path, **changes: Any) -> Any:
    body = {"changes": {k.replace("__", "."): v for k, v in changes.items()}}
    return client.post("/api/settings", json={**body, "sha256": sha256(file)})


@pytest.fixture
def file(root: Path) -> Path:
    """The configuration, with secrets."""
    path = root / "btc_ai.json"
    raw = json.loads(path.read_text())
    plugins = {"notify": {"SETTINGS": {"api_key": "s3cret-too", "to": "me"}}}
    path.write_text(json.dumps({**raw, "HISTORY_URL": SECRET, "PLUGINS": plugins}))
    return path


def test_settings_are_shown_without_secrets(client: TestClient, file: Path) -> None:
    answer = client.get("/api/settings")
    shown = answer.json()
    assert "s3cret" not in answer.text
    assert shown["values"]["HISTORY_URL"] == "***"
    assert shown["values"]["PLUGINS"]["notify"]["SETTINGS"] == {"api_key": "***", "to": "me"}
    assert shown["values"]["KEYS_DIR"] == str(file.parent / "Keys")
    assert (shown["file"], shown["sha256"]) == (str(file), sha256(file))
    assert shown["writable"] and "HISTORY_URL" in shown["set"] and "GAMMA" not in shown["set"]
    assert shown["takes_effect"]["LOGGING.LEVEL"] == "at once"
    assert shown["takes_effect"]["LOGGING.MAX_FILE_SIZE_MB"] == "restart"
    assert shown["takes_effect"]["LEARNING_RATE"] == "next run"
    assert shown["schema"]["properties"]["GAMMA"]["exclusiveMaximum"] == 1


def test_only_what_differs_from_its_default_is_said_to_be_set(
    client: TestClient, file: Path
) -> None:
    values = Config().model_dump(mode="json")
    folders = [name for name in values if name.endswith("_DIR")]
    values |= {name: str(Config.model_fields[name].default) for name in folders}
    file.write_text(json.dumps(values))
    assert client.get("/api/settings").json()["set"] == []
    values["LOGGING"]["LEVEL"] = "DEBUG"
    file.write_text(json.dumps(values | {"GAMMA": 0.9, "LOG_DIR": "/tmp/Logs"}))
    assert client.get("/api/settings").json()["set"] == ["GAMMA", "LOGGING.LEVEL", "LOG_DIR"]


def test_a_change_is_saved_and_the_rest_left_as_it_is(daemon: Daemon, file: Path) -> None:
    daemon.context.answers["daemon.reload"] = lambda body: {
        "applied": ["MONITORING.UPDATE_INTERVAL"], "next_job": ["GAMMA"], "restart": [],
    }  # fmt: skip
    before = json.loads(file.read_text())
    answer = change(daemon.client, file, MONITORING__UPDATE_INTERVAL=10, GAMMA=0.5)
    assert answer.json() == {
        "applied": ["MONITORING.UPDATE_INTERVAL"], "next_job": ["GAMMA"], "restart": [],
    }  # fmt: skip
    after = json.loads(file.read_text())
    assert after == {**before, "MONITORING": {"UPDATE_INTERVAL": 10}, "GAMMA": 0.5}
    assert change(daemon.client, file, GAMMA=None, BUCKET_CONFIGS__Short__MIN_HORIZON=7).is_success
    after = json.loads(file.read_text())
    assert "GAMMA" not in after and len(after["BUCKET_CONFIGS"]) == 4
    assert after["BUCKET_CONFIGS"]["Short"]["MIN_HORIZON"] == 7
    assert after["HISTORY_URL"] == SECRET


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("GAMMA", 2, "less than 1"), ("GAMA", 0.5, "did you mean 'GAMMA'"),
        ("GAMMA.X", 1, "in no section"),
        ("LEARNER", "magic", "is no learner"), ("HISTORY_URL", "***", "stands for a secret"),
        ("PLUGINS.notify.SETTINGS", {"api_key": "***"}, "stands for a secret"),
        ("DASHBOARD.ADDRESS", "0.0.0.0", "name that browsers reach"),
        ("DASHBOARD.ADDRESS", "my-machine", "is no address"),
    ],
)  # fmt: skip
def test_a_change_that_is_wrong_changes_nothing(
    client: TestClient, file: Path, key: str, value: Any, said: str
) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "GAMMA": 0.9}))
    before = file.read_bytes()
    body = {"changes": {key: value, "SEED": 4}, "sha256": sha256(file)}
    answer = client.post("/api/settings", json=body)
    assert answer.status_code == 400
    (fault,) = answer.json()["error"]["fields"].values()
    assert said in fault
    assert file.read_bytes() == before


def test_a_file_that_was_changed_meanwhile_is_left_alone(client: TestClient, file: Path) -> None:
    old = sha256(file)
    file.write_text(json.dumps({"SEED": 5}))
    answer = client.post("/api/settings", json={"changes": {"SEED": 6}, "sha256": old})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert json.loads(file.read_text()) == {"SEED": 5}


def test_a_broken_file_is_said_to_be_so(client: TestClient, file: Path) -> None:
    file.write_text("{")
    shown = client.get("/api/settings").json()
    assert not shown["writable"] and "is not JSON" in shown["why"]
    assert client.get("/api/hello").status_code == 200
    assert change(client, file, SEED=1).status_code == 400
    file.write_text(json.dumps({"MEMORY_LIMIT_PERCENT": 0.9}))
    assert client.get("/api/hello").json()["thresholds"]["memory_limit"] == 0.9


def test_what_the_daemon_does_not_take_is_saved_and_told(daemon: Daemon, file: Path) -> None:
    answer = change(daemon.client, file, SEED=7).json()
    assert answer["restart"] == ["SEED"] and "daemon.reload" in answer["problem"]
    assert json.loads(file.read_text())["SEED"] == 7


def test_every_setting_takes_effect_at_some_time() -> None:
    keys = flat(Config().model_dump(mode="json"))
    assert all(any(key == one or key.startswith(f"{one}.") for key in keys) or one == "PLUGINS"
               for one in (*AT_ONCE, *AT_START))  # fmt: skip
    assert {effect_of(key) for key in keys} == {"at once", "next run", "restart"}
