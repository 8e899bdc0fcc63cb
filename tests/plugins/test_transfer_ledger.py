"""The ledger of transfers: written by workers, read without torch."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btc_ai.errors import TrainingError
from btc_ai.learning.transfer.ledger import TransferLedger
from btc_ai.learning.transfer.milestones import Milestone
from btc_ai.learning.transfer.safeguard import TransferReport
from btc_ai.learning.transfer.verdict import compare
from btc_ai.plugins.transfer.ledger import find_transfer, read_transfers, with_states

SOURCE = {"bucket": "A", "model": "/m/A", "weights_sha256": "aa"}
TARGET = {"bucket": "B", "directory": "/m/B"}
DONE = {"kinds": ["weights"], "matched": ["price"], "new": [], "left": ["rsi"]}


def report(**changes: Any) -> TransferReport:
    values: dict[str, Any] = {
        "asked": ("weights",),
        "kinds": ("weights",),
        "rungs": (),
        "before": {"own_mb": 1.0},
        "peak_mb": 2.0,
        "after": {"own_mb": 1.5},
        "duration_s": 0.1,
        "done": DONE,
    }
    return TransferReport(**{**values, **changes})


def begin(path: Path, name: str) -> TransferLedger:
    ledger = TransferLedger(path, name)
    ledger.began(report(), "run", SOURCE, TARGET)
    return ledger


def test_the_lines_of_a_transfer_are_put_together_newest_transfer_first(tmp_path: Path) -> None:
    path = tmp_path / "models" / "transfers.jsonl"
    first = begin(path, "r-1")
    begin(path, "r-2")
    first.trained("bb", 300.0)
    arm = [Milestone(1.0, 4, 1.0, np.ones(3))]
    first.judged(compare(arm, arm).to_json())
    newer, older = read_transfers(path)
    assert (newer["id"], older["id"]) == ("r-2", "r-1")
    assert older["source"] == SOURCE
    assert older["target_sha256"] == "bb"
    assert older["verdict"]["decision"] == "kept"
    assert older["memory"] == {
        "before": {"own_mb": 1.0}, "peak_mb": 2.0, "after": {"own_mb": 1.5}, "kept_mb": 0.5,
    }  # fmt: skip
    assert newer["verdict"] is None
    assert len(path.read_text().splitlines()) == 4


def test_what_could_not_be_carried_is_in_it_with_the_reason(tmp_path: Path) -> None:
    ledger = TransferLedger(tmp_path / "t", "r-1")
    rung = {"kinds": ["weights"], "reason": "no room"}
    ledger.began(report(kinds=(), rungs=(rung,), done=None, error="no model"), "r", SOURCE, TARGET)
    (row,) = read_transfers(tmp_path / "t")
    assert (row["kinds"], row["rung"], row["error"]) == ([], 1, "no model")
    assert row["rungs"] == [rung]


def test_what_could_not_be_judged_keeps_the_reason(tmp_path: Path) -> None:
    ledger = TransferLedger(tmp_path / "t", "r-1")
    ledger.began(report(error="no room"), "run", SOURCE, TARGET)
    ledger.not_judged("no twin")
    (row,) = read_transfers(tmp_path / "t")
    assert (row["verdict"], row["not_measured"], row["kinds"]) == (None, "no twin", ["weights"])
    assert row["error"] == "no room"


def test_a_transfer_has_the_state_of_its_step(tmp_path: Path) -> None:
    begin(tmp_path / "t", "r-1")
    begin(tmp_path / "t", "q-0")
    steps = [{"position": 0, "state": "done"}, {"position": 1, "state": "running"}]
    rows = with_states(read_transfers(tmp_path / "t"), [{"run": "r", "steps": steps}])
    assert [(row["id"], row["state"]) for row in rows] == [("q-0", None), ("r-1", "running")]


def test_a_torn_line_is_closed_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "transfers.jsonl"
    begin(path, "r-1")
    with path.open("ab") as file:
        file.write(b'{"id": "r-2", "ti')
    begin(path, "r-3")
    path.write_bytes(path.read_bytes() + b"[]\n\n")
    assert [row["id"] for row in read_transfers(path)] == ["r-3", "r-1"]


def test_writers_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "transfers.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: begin(path, f"r-{number}"), range(40)))
    assert len(read_transfers(path)) == 40
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_transfer_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    path = tmp_path / "transfers.jsonl"
    with pytest.raises(TrainingError, match="no transfers yet"):
        find_transfer(read_transfers(path), None)
    for name in ("ab-1", "ab-10", "c-1"):
        begin(path, name)
    rows = read_transfers(path)
    assert find_transfer(rows, None)["id"] == "c-1"
    assert find_transfer(rows, "c")["id"] == "c-1"
    assert find_transfer(rows, "ab-1")["id"] == "ab-1"
    with pytest.raises(TrainingError, match="begins several"):
        find_transfer(rows, "ab")
    with pytest.raises(TrainingError, match="no transfer 'x'"):
        find_transfer(rows, "x")
