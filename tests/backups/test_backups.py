"""Backups of a models folder as training leaves it, with real databases in it."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.backups.contents import contents, place
from btc_ai.backups.create import create
from btc_ai.backups.listing import backups, find, keep
from btc_ai.backups.manifest import FILES, MANIFEST, faults, read_manifest
from btc_ai.backups.restore import restore
from btc_ai.config import Config, load_config
from btc_ai.errors import BtcAiError
from tests.test_config import as_nobody


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "btc_ai.json"
    path.write_text('{"SEED": 7, "MODELS_DIR": "Models", "BACKUPS_DIR": "Backups"}')
    path.chmod(0o640)
    return path


@pytest.fixture
def config(file: Path) -> Config:
    config = load_config(file)
    model = config.MODELS_DIR / "Short" / "abc"
    model.mkdir(parents=True)
    (model / "model.json").write_text('{"bucket": "Short"}')
    (model / "metrics.jsonl").write_text('{"episode": 1}\n')
    (model / "model.safetensors").write_bytes(bytes(1000))
    (model / "checkpoints" / "00000001").mkdir(parents=True)
    (model / "checkpoints" / "00000001" / "manifest.json").write_text("{}")
    (config.MODELS_DIR / "Short" / "latest").symlink_to("abc")
    (config.MODELS_DIR / "transfers.jsonl").write_text("{}\n")
    return config


def write_journal(config: Config, *rows: str) -> None:
    with closing(sqlite3.connect(config.MODELS_DIR / "journal.sqlite3")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT)")
        db.executemany("INSERT INTO jobs VALUES (?)", [(row,) for row in rows])
        db.commit()


def journal(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as db:
        return [row[0] for row in db.execute("SELECT id FROM jobs ORDER BY id")]


def test_a_backup_holds_what_cannot_be_made_again(config: Config, file: Path) -> None:
    write_journal(config, "one")
    folder = create(config, file, "by hand")
    manifest = read_manifest(folder)
    assert {one.name for one in manifest.entries} == {
        "config/btc_ai.json", "models/journal.sqlite3", "models/transfers.jsonl",
        "models/Short/abc/model.json", "models/Short/abc/metrics.jsonl", "models/Short/latest",
    }  # fmt: skip
    assert faults(folder, manifest) == []
    assert (folder.stat().st_mode & 0o777, (folder / FILES).stat().st_mode & 0o077) == (0o700, 0)
    assert [one.folder for one in backups(config.BACKUPS_DIR)] == [folder]


def test_a_database_that_is_written_to_meanwhile_is_copied_as_of_one_moment(
    config: Config, file: Path
) -> None:
    write_journal(config, "one")
    with closing(sqlite3.connect(config.MODELS_DIR / "journal.sqlite3")) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO jobs VALUES ('half')")
        folder = create(config, file, "")
        db.rollback()
    assert journal(folder / FILES / "models") == ["one"]


def test_restoring_puts_everything_back_and_keeps_what_was_there(
    config: Config, file: Path
) -> None:
    write_journal(config, "one")
    folder = create(config, file, "")
    write_journal(config, "two")
    file.write_text('{"SEED": 8, "MODELS_DIR": "Models", "BACKUPS_DIR": "Backups"}')
    (config.MODELS_DIR / "Short" / "abc" / "model.json").unlink()
    (config.MODELS_DIR / "Short" / "latest").unlink()
    new = config.MODELS_DIR / "Short" / "new.json"
    new.write_text("{}")

    done = restore(folder, config, file)
    assert journal(config.MODELS_DIR) == ["one"]
    assert load_config(file).SEED == 7 and file.stat().st_mode & 0o777 == 0o640
    assert (config.MODELS_DIR / "Short" / "latest" / "model.json").is_file()
    assert new.is_file() and len(done.names) == 6

    restore(done.before, config, file)
    assert journal(config.MODELS_DIR) == ["one", "two"] and load_config(file).SEED == 8
    assert not list(config.MODELS_DIR.rglob(".restored-*"))


def test_the_configuration_stays_where_it_is_not_wanted(config: Config, file: Path) -> None:
    folder = create(config, file, "")
    file.write_text('{"SEED": 8}')
    assert "config/btc_ai.json" not in restore(folder, config, None, configuration=False).names
    assert load_config(file).SEED == 8


def damage(folder: Path, kind: str) -> str:
    part = folder / FILES / "models" / "transfers.jsonl"
    if kind == "changed":
        part.write_text("{} \n")
        return "models/transfers.jsonl does not match"
    if kind == "missing":
        part.unlink()
        return "models/transfers.jsonl: No such file"
    text = (folder / MANIFEST).read_text()
    if kind == "torn manifest":
        (folder / MANIFEST).write_text(text[:-20])
        return "is no backup, or damaged"
    told = json.loads(text)
    told["entries"][0]["name"] = "models/../../evil.json"
    (folder / MANIFEST).write_text(json.dumps(told))
    return "its manifest does not match"


@pytest.mark.parametrize("kind", ["changed", "missing", "torn manifest", "forged manifest"])
def test_a_damaged_backup_is_refused_and_nothing_changes(
    config: Config, file: Path, kind: str
) -> None:
    folder = create(config, file, "")
    what = damage(folder, kind)
    file.write_text('{"SEED": 8}')
    with pytest.raises(BtcAiError, match=what):
        restore(folder, config, file)
    assert load_config(file).SEED == 8
    assert len(list(config.BACKUPS_DIR.iterdir())) == 1


@given(st.text(max_size=30))
def test_a_part_never_leaves_its_folders(rest: str) -> None:
    config = Config()
    for name in (rest, f"models/{rest}", f"config/{rest}", f"models/../{rest}"):
        try:
            path = place(name, config, Path("/etc/btc_ai.json"))
        except BtcAiError:
            continue
        inside = Path(os.path.normpath(path)).is_relative_to(config.MODELS_DIR)
        assert inside or path == Path("/etc/btc_ai.json")


def test_a_disk_that_will_not_take_it_leaves_no_half_backup(
    config: Config, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr("btc_ai.backups.create.write_durably", full)
    with pytest.raises(BtcAiError, match="no backup was made: there: No space left on device"):
        create(config, file, "")
    assert list(config.BACKUPS_DIR.iterdir()) == []


def test_only_the_newest_are_kept_and_a_damaged_one_is_never_counted(
    config: Config, file: Path
) -> None:
    made = [create(config, file, str(number)) for number in range(11)]
    damage(made[10], "torn manifest")
    assert [one.name for one in keep(config.BACKUPS_DIR, 2)] == [
        one.name for one in reversed(made[:8])
    ]
    assert find(config.BACKUPS_DIR, None) == made[9]
    assert [bool(one.problem) for one in backups(config.BACKUPS_DIR)] == [False, False, True]


def test_a_folder_that_cannot_be_read_is_named(config: Config, file: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:  # pytest's own
            folder.chmod(0o755)
    for closed, said in (
        (config.MODELS_DIR / "Short", "Short: Permission"),
        (config.MODELS_DIR, "journal.sqlite3: Permission"),
    ):
        closed.chmod(0)
        try:
            with as_nobody(), pytest.raises(BtcAiError, match=f"cannot look into .*{said}"):
                contents(config, None)
        finally:
            closed.chmod(0o755)
