"""`btc-ai study` through the real command line, daemon and worker."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import House, open_house

SMALL = ("--market", "sample", "--sequence", "Scalping", "Short", "--seeds", "2", "--episodes", "2")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("study")) as house:
        house.configure(BUFFER_SIZE=1000)
        house.run("data", "sample", "--bars", "5000")
        yield house


def _runs(house: House, study: str) -> dict[Path, int]:
    """When each finished run of a study was written."""
    folder = house.root / "Models/studies" / study / "tasks"
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}


@pytest.mark.slow
def test_a_study_outlives_the_daemon_and_ends_in_a_table_and_a_page(small: House) -> None:
    begun = small.json("study", "transfer", *SMALL, "--executor", "inline", "--detach")
    study = begun["study"]
    assert begun["runs"] == 8
    small.wait_for(lambda: len(_runs(small, study)) >= 2)
    before = _runs(small, study)
    pid = small.daemon_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    small.wait_for(lambda: small.daemon_pid is None)
    small.run("daemon", "start")
    text = small.run("study", "resume", study[:3])
    assert f"study {study}: done, 8/8 runs" in text
    assert "Held-out test of SAMPLE/USDT 5m (synthetic)" in text
    assert "Ahead of scratch" in text
    assert "not other periods" in text
    after = _runs(small, study)
    assert len(after) == 8 and all(after[path] == when for path, when in before.items())
    shown = small.json("study", "show")
    assert shown["results"] == json.loads(
        (Path(shown["folder"]) / "results.json").read_bytes()
    )  # fmt: skip
    copy = small.root / "page.html"
    small.run("study", "report", study, "--output", str(copy))
    assert copy.read_bytes() == Path(shown["page"]).read_bytes()
    assert small.run("study", "report").strip() == shown["page"]


def test_a_study_can_be_stopped(small: House) -> None:
    study = small.json("study", "transfer", *SMALL, "--detach")["study"]
    small.wait_for(lambda: small.ask("study.show", study=study)["state"] == "running")
    assert "stopped" in small.run("study", "stop", study)
    assert small.json("study", "list")[0]["state"] == "stopped"
    assert "has a page once it is done" in small.run("study", "report", study, code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("transfer", "--executor", "proces"), 2, "did you mean 'process'"),
        (("transfer", "--kind", "luck"), 2, "'weights', 'features', 'horizons'"),
        (("transfer", "--sequence", ""), 2, "--sequence names no bucket"),
        (("transfer", "--sequence", "Short"), 2, "two buckets or more"),
        (("transfer", "--sequence", "Short", "Lng", "--market", "sample"), 2, "mean 'Long'"),
        (("transfer", "--symbol", "ETH/USDT"), 1, "there are no candles of ETH/USDT"),
        (("transfer", "--seeds", "1"), 2, "--seeds"),
        (("show", "zzz"), 1, "`btc-ai study list` lists them"),
        (("resume", "zzz"), 1, "there is no study 'zzz'"),
    ],
)
def test_bad_input(small: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    small.json("study", "list") or small.json("study", "transfer", *SMALL, "--detach")
    assert says in " ".join(small.run("study", *arguments, code=code).split())


def test_without_studies(house: House) -> None:
    assert "btc-ai study transfer" in house.run("study", "show", code=1)
