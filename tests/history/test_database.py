"""Opening the database: the schema, its lock, other versions, and what cannot be opened."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history import migrations, schema
from btc_ai.history.database import describe, open_for_reading, open_for_writing
from btc_ai.history.queries import History
from btc_ai.paths import history_file


def test_the_migrations_make_what_the_schema_says(empty: Config) -> None:
    engine = open_for_writing(empty)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == schema.VERSION
    newest = ScriptDirectory.from_config(migrations.alembic_config()).get_current_head()
    assert newest == schema.VERSION
    engine.dispose()


def test_a_newer_database_is_refused_and_left_as_it_is(empty: Config) -> None:
    engine = open_for_writing(empty)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE readers SET oldest = '9999'"))
        connection.execute(text("ALTER TABLE runs ADD COLUMN hue TEXT"))
    before = inspect(engine).get_columns("runs")
    for opening in (open_for_writing, open_for_reading):
        with pytest.raises(HistoryError, match=r"of a newer BTC-AI .*9999.*left as it is"):
            opening(empty)
    assert [one["name"] for one in inspect(engine).get_columns("runs")] == [
        one["name"] for one in before
    ]
    engine.dispose()


def test_a_newer_database_that_this_version_can_read_is_used(empty: Config) -> None:
    engine = open_for_writing(empty)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE runs ADD COLUMN hue TEXT"))
    engine.dispose()
    for opening in (open_for_writing, open_for_reading):
        opening(empty).dispose()


def test_an_older_database_is_for_the_writer_to_bring_up_to_date(empty: Config) -> None:
    engine = open_for_writing(empty)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(HistoryError, match="older BTC-AI; `btc-ai daemon restart`"):
        open_for_reading(empty)
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(
    empty: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upgrade(connection: Any) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "upgrade", upgrade)
        with pytest.raises(OSError, match="the power went"):
            open_for_writing(empty)
    engine = open_for_writing(empty)
    assert "half" not in inspect(engine).get_table_names()
    engine.dispose()


OPEN = """
import json, sys
from btc_ai.config import restore_config
from btc_ai.history.database import open_for_writing
open_for_writing(restore_config(json.load(sys.stdin)))
"""


def test_several_processes_may_make_it_at_once(empty: Config) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN], stdin=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(empty.model_dump_json())
            process.stdin.close()
        assert [process.wait(60) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    with History.open(empty) as history:
        assert history.runs() == []


def test_a_file_that_is_no_database_is_said_to_be_none_and_kept(tmp_path: Path) -> None:
    config = Config.model_validate({"MODELS_DIR": str(tmp_path)})
    history_file(tmp_path).write_text("a letter, not a database" * 100)
    with pytest.raises(SQLAlchemyError, match="file is not a database"):
        open_for_writing(config)
    with pytest.raises(HistoryError, match="cannot be used: file is not a database"):
        open_for_reading(config)
    assert history_file(tmp_path).read_text().startswith("a letter")


def test_without_a_history_nothing_is_made(tmp_path: Path) -> None:
    config = Config.model_validate({"MODELS_DIR": str(tmp_path)})
    with pytest.raises(HistoryError, match=r"there is no history in .* yet"):
        open_for_reading(config)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_one_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:s3cret-word@/history?host={tmp_path}&password=other-word"
    config = Config.model_validate({"MODELS_DIR": str(tmp_path), "HISTORY_URL": url})
    with pytest.raises(HistoryError) as caught:
        open_for_reading(config)
    said = str(caught.value)
    assert "cannot be used: " in said and "\n" not in said
    assert "-word" not in said + describe(config)


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    config = Config.model_validate({"HISTORY_URL": "postgresql://host/history"})
    with pytest.raises(HistoryError, match=r"pip install 'btc-ai\[postgres\]'"):
        open_for_writing(config)
