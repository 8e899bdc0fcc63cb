import json
from pathlib import Path
from typing import Any

import pytest

from btc_ai.config import Config, load_config
from btc_ai.config.edit import read_or_default, write_raw
from btc_ai.daemon.reload import Reload
from btc_ai.daemon.systemd import Notifier
from btc_ai.errors import BtcAiError, ConfigError
from btc_ai.paths import user_config
from tests.daemon.conftest import Records


class House:
    """A configuration file, and what reloads it."""

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, Records()
        self.write()
        self.reload = Reload(load_config(path), path, Notifier(), self.log)

    def write(self, **values: Any) -> None:
        self.path.write_text(json.dumps(values))

    def changed(self, **values: Any) -> dict[str, Any]:
        self.write(**values)
        return self.reload.reload()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "btc_ai.json")


def outcome(**kinds: list[str]) -> dict[str, list[str]]:
    return {"applied": [], "next_job": [], "restart": [], **kinds}


def test_nothing_has_changed(house: House) -> None:
    assert house.reload.reload() == outcome()


def test_what_jobs_read_is_in_force_with_the_next(house: House) -> None:
    found = house.changed(SEED=3, DATA_DIR="Other", KNOWLEDGE_TRANSFER={"STUDY_SEEDS": 4})
    assert found == outcome(next_job=["DATA_DIR", "KNOWLEDGE_TRANSFER.STUDY_SEEDS", "SEED"])
    assert house.reload.config.SEED == 3
    assert house.reload.reload() == outcome()
    assert "SEED" in house.changed(DATA_DIR="Other")["next_job"]


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"MODELS_DIR": "Other"}, ["MODELS_DIR"]),
        ({"LOG_DIR": "Other"}, ["LOG_DIR"]),
        ({"KEYS_DIR": "Other"}, ["KEYS_DIR"]),
        ({"LOGGING": {"FILE_LOGGING": False}}, ["LOGGING.FILE_LOGGING"]),
        ({"SUPERVISION": {"STALLED_AFTER": 5}}, ["SUPERVISION.STALLED_AFTER"]),
        ({"REMOTE": {"COMMAND_PORT": 1}}, ["REMOTE.COMMAND_PORT"]),
        ({"PLUGINS": {"x": {"SETTINGS": {"password": "secret"}}}}, None),
    ],
)
def test_what_is_read_at_start_waits_for_one(
    house: House, values: dict[str, Any], keys: list[str] | None
) -> None:
    found = house.changed(**values)
    keys = keys or found["restart"]
    assert found == outcome(restart=keys) and keys
    assert house.log.of("warning") == ["changes wait for a restart"]
    assert house.reload.reload() == outcome(restart=keys), "it still waits"
    assert house.changed() == outcome(), "it was taken back"
    assert "secret" not in str(house.log.kept)


def test_what_registered_parts_can_change_is_in_force_now(house: House) -> None:
    levels = []
    house.reload.register("LOGGING.LEVEL", lambda config: levels.append(config.LOGGING.LEVEL))
    found = house.changed(LOGGING={"LEVEL": "DEBUG", "FILE_LOGGING": False})
    assert found == outcome(applied=["LOGGING.LEVEL"], restart=["LOGGING.FILE_LOGGING"])
    assert levels == ["DEBUG"]
    house.reload.reload()
    assert levels == ["DEBUG"], "it has not changed again"


def test_a_part_may_fail_to_apply_a_change(house: House) -> None:
    def refuse(config: Config) -> None:
        raise BtcAiError("not now")

    house.reload.register("SEED", refuse)
    assert house.changed(SEED=1) == outcome(restart=["SEED"])
    assert house.log.of("warning")[0] == "change cannot be applied"


def test_an_invalid_file_changes_nothing(house: House) -> None:
    house.reload.register("SEED", lambda config: pytest.fail("applied"))
    with pytest.raises(ConfigError, match="did you mean 'SEED'"):
        house.changed(SEEED=1)
    house.path.write_text("{")
    house.reload.on_signal()
    house.path.unlink()
    house.reload.on_signal()
    assert house.log.of("error") == ["configuration refused, the old one holds"] * 3
    assert house.reload.config.SEED == 0


def test_a_file_that_was_not_there_at_the_start_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("BTC_AI_CONFIG", raising=False)
    monkeypatch.setattr("btc_ai.paths.SYSTEM_CONFIG", tmp_path / "none")
    reload = Reload(load_config(), None, Notifier(), Records())
    assert (reload.reload(), reload.path) == (outcome(), None)
    file = user_config()
    write_raw(file, {**read_or_default(file), "SEED": 3})
    assert (reload.reload(), reload.path) == (outcome(next_job=["SEED"]), file)
    write_raw(file, {"SEED": 3})
    assert "MODELS_DIR" in reload.reload()["restart"], "beside the file from the next start on"
