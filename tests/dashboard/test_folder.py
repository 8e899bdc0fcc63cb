"""Any folder: empty, gone, foreign, damaged, closed; watched; and never written to."""

import asyncio
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from btc_ai.config import Config
from btc_ai.dashboard.folder import look_into, watch_folder
from btc_ai.dashboard.store import Store
from btc_ai.errors import HistoryError
from btc_ai.history.queries import History
from btc_ai.history.unrecorded import LOOK_S, NOTE
from btc_ai.paths import history_file
from tests.dashboard.conftest import RUN, make_dashboard, opened
from tests.history.folders import add_episode, write_run

NOBODY = 65534


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, with its size and time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_a_folder_is_shown_and_left_as_it_is(root: Path) -> None:
    before = state(root / "Models")
    with opened(make_dashboard(root)) as client:
        for path in ("hello", "overview", "runs/latest", "runs/latest/curves", "system", "events"):
            assert client.get(f"/api/{path}").status_code == 200, path
        assert state(root / "Models") == before
    assert state(root / "Models") == before


def test_a_history_in_use_is_read_as_it_grows(root: Path) -> None:
    config = Config.model_validate({"MODELS_DIR": str(root / "Models")})
    with sqlite3.connect(history_file(config.MODELS_DIR)) as writer:
        writer.execute("UPDATE runs SET state = 'paused'")
        writer.commit()
        before = state(config.MODELS_DIR)
        with History.open(config, read_only=True) as history:
            assert history.run(RUN).state == "paused"
            writer.execute("UPDATE runs SET state = 'stopped'")
            writer.commit()
            assert history.run(RUN).state == "stopped"
        assert state(config.MODELS_DIR).keys() == before.keys()
        copy = root / "copy"
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{history_file(config.MODELS_DIR)}{suffix}", copy)
    writer.close()
    left = Config.model_validate({"MODELS_DIR": str(copy)})
    with pytest.raises(HistoryError, match="was left open"):
        History.open(left, read_only=True)
    assert len(list(copy.iterdir())) == 2


def test_a_read_only_history_takes_no_write(root: Path) -> None:
    config = Config.model_validate({"MODELS_DIR": str(root / "Models")})
    with (
        History.open(config, read_only=True) as history,
        history._engine.connect() as connection,
        pytest.raises(Exception, match="readonly database"),
    ):
        connection.exec_driver_sql("DELETE FROM runs")


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "Models"
    assert "there is no folder" in look_into(folder).problems[0]
    folder.mkdir()
    assert not look_into(folder).problems and not look_into(folder).models
    cards = {
        "Short/good": '{"bucket": "Short", "created": "2", "validation": []}', "Short/torn": '{"bu',
        "Long/foreign": '["a list"]', "Long/other": '{"bucket": 7}', ".git/x": "{", "reports/x": "",
    }  # fmt: skip
    for name, text in cards.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "model.json").write_text(text)
    (folder / "Long" / "latest").symlink_to("nowhere")
    (folder / "notes.txt").write_text("not ours")
    (folder / "Short" / "training").mkdir()
    found = look_into(folder)
    assert [(one["bucket"], one["name"]) for one in found.models] == [("Short", "good")]
    assert [one.partition("/model.json")[0][-10:] for one in found.problems] == [
        "ng/foreign", "Long/other", "Short/torn",
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_closed_folder_is_said_to_be_closed(tmp_path: Path) -> None:
    folder = tmp_path / "Models"
    (folder / "Short" / "x").mkdir(parents=True)
    (folder / "Short").chmod(0o700)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        found = look_into(folder)
    finally:
        os.seteuid(0)
    assert found.problems == [f"{folder / 'Short'} cannot be read: Permission denied"]


def test_without_a_history_the_run_folders_are_shown_as_they_grow(root: Path) -> None:
    models = root / "Models"
    history_file(models).unlink()
    run = write_run(models, "Short", "grw234", episodes=3)
    (models / "Long" / "foreign").mkdir(parents=True)
    (models / "Long" / "foreign" / "metrics.jsonl").write_bytes(b"\xff\xfe no episodes\n" * 3)
    before = state(models)
    with opened(make_dashboard(root)) as client:
        seen = client.get("/api/overview").json()
        assert (seen["run"]["run"], seen["note"]) == ("grw234", NOTE)
        said = {one["bucket"]: one["verdict"] for one in seen["buckets"]}
        stopped = "stopped; it goes on with Continue"
        assert (said["Short"], said["Long"]) == (stopped, "not trained yet")
        assert said["Scalping"].startswith("+0.50 bps a bar")
        assert seen["problems"] == [
            f"{models}/Long/foreign/metrics.jsonl holds no episode: damaged, or another program's"
        ]
        assert client.get("/api/hello").json()["history"] == {"ok": True, "text": NOTE}
        curves = client.get("/api/runs/grw234/curves?names=reward").json()["curves"]
        assert curves[0]["mean"] == [0.1, 0.2, 0.3]
        assert state(models) == before
        add_episode(run, 4)
        time.sleep(LOOK_S)
        curves = client.get("/api/runs/latest/curves?names=reward").json()["curves"]
        assert curves[0]["mean"] == [0.1, 0.2, 0.3, 0.4]
        assert client.get("/api/overview").json()["buckets"][1]["verdict"] == "in training"
        for path in ("runs", "runs/latest/features", "transfers", "system", "events"):
            assert client.get(f"/api/{path}").status_code == 200, path


def test_a_history_that_comes_under_a_question_does_not_spoil_its_answer(root: Path) -> None:
    models = root / "Models"
    away = history_file(models).rename(root / "away")
    write_run(models, "Short", "grw234", episodes=3)

    async def ask() -> tuple[list[str], list[str]]:
        store = Store(Config.model_validate({"MODELS_DIR": str(models)}))

        def question(history: History) -> tuple[list[str], list[str]]:
            away.rename(history_file(models))
            newer = store._answer(lambda other: [one.run for one in other.runs()])
            return [one.run for one in history.runs()], newer

        try:
            return await store.ask(question)
        finally:
            store.close()

    folders, recorded = asyncio.run(ask())
    assert folders == ["grw234", RUN] and recorded == [RUN]


def test_an_empty_folder_has_pages_all_the_same(tmp_path: Path) -> None:
    folders = {"MODELS_DIR": "Models", "LOG_DIR": "Logs", "KEYS_DIR": "Keys"}
    (tmp_path / "btc_ai.json").write_text(json.dumps(folders))
    with opened(make_dashboard(tmp_path)) as client:
        seen = client.get("/api/overview").json()
        assert ["there is no folder" in one for one in seen["problems"]] == [True]
        assert [one["verdict"] for one in seen["buckets"]] == ["not trained yet"] * 4
        assert client.get("/api/hello").json()["history"]["ok"] is True
        assert client.get("/api/runs").json()["runs"] == [] and seen["note"] == ""
        logs = client.get("/api/logs").json()
        assert logs["records"] == [] and str(tmp_path / "Logs") in logs["problems"][0]
    assert not (tmp_path / "Models").exists()


async def _changes(folder: Path) -> int:
    seen = 0

    async def count() -> None:
        nonlocal seen
        seen += 1

    watching = asyncio.create_task(watch_folder(folder, lambda: 0.02, count))
    await asyncio.sleep(0.1)
    assert seen == 0
    (folder / "Short").mkdir()
    while seen < 1:
        await asyncio.sleep(0.01)
    run = write_run(folder, "Short", "abc234", episodes=1)
    while seen < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    known = seen
    add_episode(run, 2)
    while seen == known:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    watching.cancel()
    return seen - known


def test_a_folder_is_watched(tmp_path: Path) -> None:
    assert asyncio.run(asyncio.wait_for(_changes(tmp_path), 10)) == 1
