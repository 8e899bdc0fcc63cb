import os
import signal
import sqlite3
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from btc_ai.api.journal import Job
from btc_ai.errors import BtcAiError
from btc_ai.journal import SCHEMA_VERSION, SqliteJournal
from tests.daemon.conftest import REPOSITORY
from tests.test_config import as_nobody

TEXT = st.text(max_size=10)
WORD = st.text(string.printable + "é€\0'", max_size=8)
BODIES = st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(TEXT), max_size=3)
STATES = st.sampled_from(["queued", "running", "done", "failed"])


def plain(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind, "state": job.state, "spec": job.spec, "parent": job.parent_id,
        "error": job.error,
        "steps": [
            [step.name, step.state, step.spec, step.result, step.ended is not None]
            for step in job.steps
        ],
    }  # fmt: skip


class AgainstDicts(RuleBasedStateMachine):
    """The journal and a dict take the same changes and stay the same, over reopening too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/tmp")
        self.path = Path(self.folder.name) / "journal.sqlite3"
        self.journal = SqliteJournal(self.path)
        self.model: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.model)))

    @rule(
        kind=st.sampled_from("ab"), spec=BODIES, steps=st.lists(st.tuples(WORD, BODIES), max_size=3)
    )
    def add(self, kind: str, spec: dict[str, Any], steps: list[tuple[str, dict[str, Any]]]) -> None:
        job = self.journal.add(kind, spec, steps, "p")
        made = [[name, "waiting", of, {}, False] for name, of in steps]
        self.model[job.id] = {
            "kind": kind, "state": "queued", "spec": spec, "parent": "p", "error": None,
            "steps": made,
        }  # fmt: skip

    @precondition(lambda self: self.model)
    @rule(data=st.data(), name=WORD, spec=BODIES)
    def add_step(self, data: st.DataObject, name: str, spec: dict[str, Any]) -> None:
        job = self.pick(data)
        self.journal.add_step(job, name, spec)
        self.model[job]["steps"].append([name, "waiting", spec, {}, False])

    @precondition(lambda self: self.model)
    @rule(data=st.data(), state=st.none() | STATES, spec=st.none() | BODIES, error=st.none() | WORD)
    def set_job(
        self, data: st.DataObject, state: str | None, spec: dict[str, Any] | None, error: str | None
    ) -> None:
        job = self.pick(data)
        self.journal.set_job(job, state=state, spec=spec, error=error)
        self.model[job]["error"] = error
        if state is not None:
            self.model[job]["state"] = state
        if spec is not None:
            self.model[job]["spec"] = spec

    @precondition(lambda self: self.model)
    @rule(data=st.data(), at=st.integers(-1, 4), state=STATES, result=st.none() | BODIES)
    def set_step(
        self, data: st.DataObject, at: int, state: str, result: dict[str, Any] | None
    ) -> None:
        job = self.pick(data)
        steps = self.model[job]["steps"]
        if not 0 <= at < len(steps):
            with pytest.raises(BtcAiError, match="has no step"):
                self.journal.set_step(job, at, state=state, result=result)
            return
        self.journal.set_step(job, at, state=state, result=result)
        steps[at][1], steps[at][4] = state, state == "done"
        if result is not None:
            steps[at][3] = result

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = SqliteJournal(self.path)

    @invariant()
    def same(self) -> None:
        for kind in "ab":
            expected = [one for one in reversed(self.model) if self.model[one]["kind"] == kind]
            found = self.journal.jobs(kind)
            assert [job.id for job in found] == expected
            assert [plain(job) for job in found] == [self.model[one] for one in expected]


TestAgainstDicts = AgainstDicts.TestCase
TestAgainstDicts.settings = settings(
    derandomize=True, deadline=None, max_examples=25, stateful_step_count=15
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal(path)
    yield made
    made.close()


def test_times(journal: SqliteJournal) -> None:
    job = journal.add("run", {}, [("Short", {})], "p")
    assert job.steps[0].started is None
    begun = journal.set_step(job.id, 0, state="running").steps[0]
    again = journal.set_step(job.id, 0, state="running", result={"a": 1}).steps[0]
    assert begun.started is not None and again.started == begun.started
    done = journal.set_step(job.id, 0, state="done").steps[0]
    assert done.ended is not None and done.ended >= begun.started
    assert journal.set_step(job.id, 0, state="running").steps[0].ended is None


def test_unknown_job(journal: SqliteJournal) -> None:
    calls: list[Callable[[], Job]] = [
        lambda: journal.job("nope"),
        lambda: journal.set_job("nope", state="done"),
        lambda: journal.set_step("nope", 0, state="done"),
        lambda: journal.add_step("nope", "x", {}),
    ]
    for call in calls:
        with pytest.raises(BtcAiError, match="there is no job nope"):
            call()


def test_text_that_cannot_be_written_leaves_no_transaction_open(journal: SqliteJournal) -> None:
    job = journal.add("run", {}, [], "p")
    with pytest.raises(BtcAiError):
        journal.set_job(job.id, state="failed", error="no such file '\udcff'")
    assert journal.set_job(job.id, state="failed", error="plain").error == "plain"


WRITER = """
import sys
from pathlib import Path
from btc_ai.journal import SqliteJournal
journal = SqliteJournal(Path(sys.argv[1]))
number = 0
while True:
    job = journal.add("run", {"number": number}, [("Short", {}), ("Long", {})], "p")
    journal.set_step(job.id, 0, state="done", result={"number": number})
    print(job.id, flush=True)
    number += 1
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 60])
def test_killed_writer_loses_nothing(path: Path, acknowledged: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=REPOSITORY, text=True
    )
    try:
        assert writer.stdout is not None
        ids = [writer.stdout.readline().strip() for _ in range(acknowledged)]
        os.kill(writer.pid, signal.SIGKILL)
        ids += writer.stdout.read().split()
    finally:
        writer.kill()
        writer.communicate()
    journal = SqliteJournal(path)
    try:
        for number, name in enumerate(ids):
            job = journal.job(name)
            assert job.spec == job.steps[0].result == {"number": number}
            assert [step.state for step in job.steps] == ["done", "waiting"]
        for job in journal.jobs("run", limit=100_000):
            assert len(job.steps) == 2
        journal.add("run", {}, [], "p")
    finally:
        journal.close()


@pytest.mark.parametrize("content", [b"not a database " * 100, b"\0" * 8192])
def test_corrupt_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BtcAiError, match=r"journal\.sqlite3 cannot be opened"):
        SqliteJournal(path)
    assert path.read_bytes() == content


def test_corrupt_page(path: Path) -> None:
    journal = SqliteJournal(path)
    for number in range(200):
        journal.add("run", {"pad": "x" * 500, "number": number}, [], "p")
    journal.close()
    raw = bytearray(path.read_bytes())
    for start in range(4096, len(raw), 4096):
        raw[start : start + 64] = b"\xff" * 64
    path.write_bytes(raw)
    journal = SqliteJournal(path)
    try:
        with pytest.raises(BtcAiError, match="cannot be read"):
            journal.jobs("run")
    finally:
        journal.close()


def test_newer_schema(path: Path) -> None:
    SqliteJournal(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.execute("UPDATE readers SET oldest = ?", (SCHEMA_VERSION + 1,))
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(BtcAiError, match="newer BTC-AI"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_newer_schema_that_this_version_can_read(path: Path) -> None:
    SqliteJournal(path).close()
    database = sqlite3.connect(path)
    database.execute("ALTER TABLE jobs ADD COLUMN hue TEXT")
    database.execute("ALTER TABLE steps ADD COLUMN hue TEXT")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    journal = SqliteJournal(path)
    try:
        job = journal.add("run", {"a": 1}, [("Short", {"b": 2})], "p")
        journal.set_step(job.id, 0, state="done", result={"c": 3})
        assert journal.job(job.id).steps[0].result == {"c": 3}
    finally:
        journal.close()


def test_directory_in_its_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BtcAiError, match="cannot be opened"):
        SqliteJournal(path)


def test_folder_that_cannot_be_written() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o555)
        with as_nobody(), pytest.raises(BtcAiError, match="cannot be opened"):
            SqliteJournal(Path(folder) / "journal.sqlite3")


def test_full_disk_then_space(journal: SqliteJournal) -> None:
    """`max_page_count` makes SQLite report a full disk, as ENOSPC does."""
    job = journal.add("run", {}, [("Short", {})], "p")
    database = journal._db
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BtcAiError, match="full"):
        journal.add("run", {"pad": "x" * 100_000}, [("Long", {})], "p")
    assert [one.id for one in journal.jobs("run")] == [job.id]
    database.execute("PRAGMA max_page_count = 100000")
    assert journal.add("run", {"pad": "x" * 100_000}, [], "p").spec["pad"]
    assert journal.set_step(job.id, 0, state="done").steps[0].state == "done"


@pytest.mark.parametrize("left", [(), ("-wal", "-shm")])
def test_a_deleted_file_is_written_anew(
    journal: SqliteJournal, path: Path, left: tuple[str, ...]
) -> None:
    first = journal.add("training", {"a": 1}, [("Short", {})], "call")
    for suffix in {"", "-wal", "-shm"} - set(left):
        path.with_name(path.name + suffix).unlink()
    journal.set_job(first.id, state="done")
    second = journal.add("training", {}, [], "call")
    journal.close()
    reopened = SqliteJournal(path)
    assert [job.id for job in reopened.jobs("training")] == [second.id, first.id]
    assert reopened.job(first.id).state == "done"
    reopened.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name]
