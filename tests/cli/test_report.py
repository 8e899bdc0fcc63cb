"""`btc-ai report` where monitoring is off, and what it says where there is nothing to report."""

import json

import pytest

from btc_ai.cli.report import Form, _form_of
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
    assert "has no run 'nope'" in house.run(
        "report", "nope", "--output", f"{house.root}/n/", code=1
    )
    assert not (house.root / "n").exists()
    assert "does not go with --host" in house.run("--host", "far", "report", code=2)
    assert not (house.root / "Models/reports").exists()
    house.configure(MODELS_DIR=str(house.root / "Empty"))
    assert "has no run yet" in house.run("report", code=1)


@pytest.mark.parametrize("given, words", [
    (["--format", "html", "--output", "r.json"], "--format html contradicts --output r.json"),
    (["--output", "r.xyz"], "r.xyz does not tell the format; let it end with .html, .pdf or .json"),
])  # fmt: skip
def test_a_format_that_a_file_is_not_named_for_is_refused(
    house: House, given: list[str], words: str
) -> None:
    assert words in house.run("report", *given, code=2)


@pytest.mark.parametrize("output, form, expected", [
    ("r.PDF", None, Form.PDF), ("r.txt", Form.JSON, Form.JSON), ("v1.json/", None, Form.HTML),
    (".", Form.PDF, Form.PDF), (None, None, Form.HTML),
])  # fmt: skip
def test_the_format_is_as_asked_or_as_the_file_is_named(
    output: str | None, form: Form | None, expected: Form
) -> None:
    assert _form_of(form, output) == expected
