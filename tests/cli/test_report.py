"""`btc-ai report` where monitoring is off, and what it says where there is nothing to report."""

import json

from tests.conftest import House


def test_a_run_without_a_history_is_read_from_its_folders(house: House) -> None:
    house.run("train", "--market", "sample", "--bucket", "Scalping", "--episodes", "2")
    run = str(house.ask("training.show")["run"])
    target = house.root / "out.json"
    said = house.json("report", run[:3], "--output", str(target))
    assert said == {"report": str(target), "format": "json"}
    report = json.loads(target.read_text())
    assert (report["run"], report["state"], report["peaks"]) == (run, "done", [])
    (reward,) = [one for one in report["buckets"][0]["curves"] if one["name"] == "reward"]
    assert reward["episode"] == [1, 2]
    house.run("daemon", "stop")
    house.run("report", "--output", str(target))
    alone = json.loads(target.read_text())
    assert alone["buckets"][0]["policies"] == report["buckets"][0]["policies"]
    assert [one for one in alone["buckets"][0]["curves"] if one["name"] == "reward"] == [reward]
    house.run("report", "--format", "json", "--output", f"{house.root}/new/folder/")
    assert (house.root / "new/folder" / f"{run}.json").is_file()
    assert "cannot be made" in house.run("report", "--output", f"{target}/", code=1)
    assert "does not go with --host" in house.run("--host", "far", "report", code=2)
    assert not (house.root / "Models/reports").exists()
    house.configure(MODELS_DIR=str(house.root / "Empty"))
    assert "has no run yet" in house.run("report", code=1)
