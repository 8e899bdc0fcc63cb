"""`btc-ai backup` as a person runs it, beside a running daemon and without one."""

from pathlib import Path

from tests.conftest import House


def test_create_list_verify_and_restore(house: House) -> None:
    assert "there are no backups in" in house.run("backup", "list")
    assert "there is no backup in" in house.run("backup", "verify", code=1)
    house.run("daemon", "start")
    made = house.json("backup", "create", "--reason", "before a try")
    assert made["files"] >= 2 and made["reason"] == "before a try"
    house.configure(SEED=8)

    said = house.run("backup", "restore", code=1)
    assert "uses MODELS_DIR" in said and "btc-ai daemon stop" in said
    house.run("daemon", "stop")
    assert "what was there before is in" in house.run("backup", "restore")
    assert '"SEED": 8' not in house.config_file.read_text()

    rows = house.json("backup", "list")
    assert [row["reason"] for row in rows] == [f"before restoring {made['name']}", "before a try"]
    assert "is whole" in house.run("backup", "verify", made["name"])
    (Path(made["folder"]) / "files" / "config" / "btc_ai.json").write_text("{}")
    assert "does not match its SHA-256" in house.run("backup", "verify", made["name"], code=1)
    assert "there is no backup" in house.run("backup", "restore", "nothing", code=1)
