"""Runs that no database has, as their folders tell of them."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from btc_ai.config import Config
from btc_ai.history import unrecorded
from btc_ai.history.answers import RunRow
from btc_ai.history.found import QUIET_S
from btc_ai.history.unrecorded import FolderHistory, open_history
from btc_ai.lock import Lock
from btc_ai.paths import models_lock_file
from tests.history.folders import add_episode, add_transfer, write_card, write_run

RUN = "abc234"
FIRST, SECOND = "2026-11-26T11:00:00+00:00", "2026-11-26T12:30:00+00:00"
VERDICT = {
    "decision": "rolled_back", "reason": "worse", "comparisons": [],
    "impact": {"difference": -0.2, "low": -0.3, "high": -0.1, "share": 1.0, "episode": 9},
}  # fmt: skip


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrecorded, "LOOK_S", 0.0)


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    """A run of two buckets, the second in training beside its twin, and a daemon's lock."""
    folder = tmp_path / "Models"
    write_card(write_run(folder, "Scalping", RUN, episodes=9), FIRST)
    short = write_run(folder, "Short", RUN, episodes=5)
    write_run(folder, "Short", f"{RUN}-scratch", episodes=2)
    add_transfer(folder, f"{RUN}-1", short)
    (folder / "Scalping" / "latest").symlink_to(RUN)
    lock = Lock(models_lock_file(folder), "it")
    yield folder
    lock.release()


def look(models: Path) -> FolderHistory:
    history = open_history(Config.model_validate({"MODELS_DIR": str(models)}))
    assert isinstance(history, FolderHistory)
    return history


def only(history: FolderHistory) -> RunRow:
    history.refresh()
    (run,) = history.runs()
    return run


def rewards(history: FolderHistory, position: int) -> dict[str, list[float]]:
    return {one.arm: one.mean for one in history.curves(RUN, position, ["reward"])}


def test_a_run_in_training_is_told_as_it_grows(models: Path) -> None:
    history = look(models)
    run = only(history)
    assert (run.run, run.state, run.seed) == (RUN, "running", None)
    assert (run.symbol, run.interval, run.synthetic) == ("BTC/USDT", "5m", False)
    scalping, short = run.buckets
    assert (scalping.state, scalping.episode, scalping.learner) == ("done", 9, "cfq")
    assert scalping.ended == pytest.approx(run.created)
    assert (short.state, short.episode, short.episodes) == ("running", 5, 9)
    assert rewards(history, 1) == {"main": [0.1, 0.2, 0.3, 0.4, 0.5], "scratch": [0.1, 0.2]}
    (transfer,) = history.transfers()
    assert (transfer.transfer, transfer.source, transfer.decision) == (f"{RUN}-1", "Scalping", None)
    assert transfer.detail["transfer"]["matched"] == ["price"]
    add_episode(models / "Short" / RUN, 6)
    assert only(history).buckets[1].episode == 6
    assert rewards(history, 1)["main"][5:] == [0.6]
    assert [one.kind for one in history.checkpoints(RUN)] == []


def test_a_twin_that_is_kept_is_the_model(models: Path) -> None:
    history = look(models)
    only(history)
    twin = models / "Short" / f"{RUN}-scratch"
    write_card(models / "Short" / RUN, SECOND)
    assert only(history).buckets[1].state == "running"  # its twin is not done
    write_card(twin, SECOND, verdict={"decision": "rolled_back", "reason": "", "impact": {}})
    add_transfer(models, f"{RUN}-1", twin.with_name(RUN), verdict=VERDICT)
    run = only(history)
    assert (run.state, run.buckets[1].state, run.buckets[1].arm) == ("done", "done", "scratch")
    assert run.buckets[1].detail["outcome"]["model"] == str(twin)
    (transfer,) = history.transfers()
    assert (transfer.decision, transfer.difference) == ("rolled_back", -0.2)


def test_without_the_ledger_a_card_tells_of_its_transfer(models: Path) -> None:
    (models / "transfers.jsonl").unlink()
    carried = {"kinds": ["weights"], "source": {"bucket": "Scalping", "path": "/a"},
               "matched": ["price.range"], "new": [], "left": []}  # fmt: skip
    kept = {**VERDICT, "decision": "kept"}
    write_card(models / "Short" / RUN, SECOND, transfer=carried, verdict=kept)
    (transfer,) = look(models).transfers()
    assert (transfer.source, transfer.decision, transfer.low) == ("Scalping", "kept", -0.3)


def test_what_nobody_writes_any_more_has_been_stopped(models: Path) -> None:
    history = look(models)
    quiet = time.time() - QUIET_S - 1
    for path in models.rglob("*"):
        os.utime(path, (quiet, quiet), follow_symlinks=False)
    run = only(history)
    assert (run.state, [one.state for one in run.buckets]) == ("stopped", ["done", "stopped"])


def test_in_a_copy_a_run_is_stopped_until_it_is_seen_to_grow(models: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(models, tmp_path / "copy", copy_function=shutil.copyfile, symlinks=True)
    history = look(copy)
    assert only(history).state == "stopped"
    time.sleep(0.02)
    add_episode(copy / "Short" / RUN, 6)
    assert only(history).state == "running"


def test_folders_that_go_or_change_places_are_read_anew(models: Path) -> None:
    history = look(models)
    assert rewards(history, 0)["main"][-1] == 0.9
    shutil.rmtree(models / "Scalping" / RUN)
    run = only(history)
    assert [(one.position, one.bucket) for one in run.buckets] == [(0, "Short")]
    assert rewards(history, 0)["main"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert history.curves(RUN, 1, ["reward"]) == []
    shutil.rmtree(models / "Short")
    history.refresh()
    assert history.runs() == [] and history.transfers() == []


def test_what_is_damaged_or_foreign_is_left_out_and_named(models: Path) -> None:
    short = models / "Short" / RUN
    with (short / "metrics.jsonl").open("ab") as file:
        file.write(b"\0\n[1]\n" + b"[" * 100_000 + b'\n{"episode": "x"}\n{"episode": 6, "rew')
    write_card(write_run(models, "Long", "own-name", episodes=1), FIRST, evaluation=None)
    write_card(write_run(models, "Long", "bad234", episodes=1), FIRST, memory=7)
    (models / "Long" / "letters").mkdir()
    (models / "Long" / "letters" / "model.json").write_text("{")
    (models / "_evaluations" / "x").mkdir(parents=True)
    (models / "_evaluations" / "x" / "metrics.jsonl").touch()
    os.mkfifo(models / "Long" / "letters" / "metrics.jsonl")
    (models / "transfers.jsonl").write_text('{"id": 1}\n{"id": "a", "source": 3}\n\0')
    history = look(models)
    assert {one.run for one in history.runs()} == {RUN, "own-name"}
    assert rewards(history, 1)["main"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    named = sorted(history.problems)
    assert named[0].startswith(f"{short}/metrics.jsonl: 5 lines are no episodes")
    assert named[1].startswith("run bad234 cannot be read from its folders: TypeError")
    assert len(named) == 2


def test_of_many_runs_the_newest_are_shown(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrecorded, "MOST_RUNS", 2)
    for number in range(3):
        folder = write_run(models, "Long", f"r{number}", episodes=1)
        os.utime(folder / "metrics.jsonl", (number + 1, number + 1))
        os.utime(folder, (number + 1, number + 1))
    history = look(models)
    assert [one.run for one in history.runs()] == [RUN, "r2"]
    assert history.problems == ["2 older runs are not shown"]


def test_nothing_is_written_and_what_is_read_is_not_kept_in_memory(models: Path) -> None:
    before = sorted(models.rglob("*"))
    history: Any = look(models)
    with history._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA database_list").all()[0][2] == ""
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -unrecorded.CACHE_KIB
    history.curves(RUN, 0, ["reward"])
    history.close()
    assert sorted(models.rglob("*")) == before
