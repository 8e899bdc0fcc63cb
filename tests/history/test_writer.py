"""Writing: what is recorded, and what becomes of it when the database fails."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, select
from sqlalchemy.exc import OperationalError

from btc_ai.api.messages import Heard, Position
from btc_ai.config import Config
from btc_ai.history import schema
from btc_ai.history.database import open_for_writing
from btc_ai.history.writer import Backfill
from btc_ai.paths import history_file
from tests.history.conftest import EPOCH, Book, Bus, run_view, step_view, wait_for
from tests.history.postgresql import Server

Open = Callable[..., Book]
QUICK = {"first_delay_s": 0.05}


def counts(config: Config) -> dict[str, int]:
    """How many rows each table has."""
    engine = open_for_writing(config)
    with engine.connect() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return found


def test_episodes_become_curves(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    book.write(bus.heard("training.run", run_view()), *map(bus.episode, range(1, 8)))
    with book.read() as history:
        assert history.metric_names("abc234") == ["loss", "reward"]
        loss, reward = history.curves("abc234", 0, ["reward", "loss", "win_rate"])
        assert (loss.name, reward.name, reward.arm) == ("loss", "reward", "main")
        assert reward.episode == list(range(1, 8))
        assert reward.mean == [number / 10 for number in range(1, 8)]
        (run,) = history.runs()
        assert (run.seed, run.buckets[0].episode, run.buckets[0].eta_s) == (2**62, 7, 3.5)


def test_episodes_that_come_before_their_run_wait_for_it(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    book.write(bus.episode(1))
    book.write(bus.heard("training.run", run_view(step_view(episode=1))))
    with book.read() as history:
        assert history.run("abc234").symbol == "BTC/USDT"
        assert history.curves("abc234", 0, ["reward"])[0].mean == [0.1]


def test_the_twin_is_an_arm_of_its_own(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    twin = [Heard(**{**vars(bus.episode(number)), "kind": "training.twin"}) for number in (1, 2, 3)]
    rest = bus.episode(3, arm="scratch")  # it has taken the run's place: told of as twin already
    book.write(bus.heard("training.run", run_view()), bus.episode(1), *twin, rest)
    with book.read() as history:
        found = {curve.arm: curve.episode for curve in history.curves("abc234", 0, ["reward"])}
        assert found == {"main": [1], "scratch": [1, 2, 3]}
        assert history.run("abc234").buckets[0].episode == 1


def test_transfers_and_models_come_from_the_run(open_book: Open, tmp_path: Path) -> None:
    model = tmp_path / "Short" / "abc234-scratch"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    impact = {"difference": -0.2, "low": -0.3, "high": -0.1, "share": 0.5}
    step = step_view(
        1, "Short", state="done", episode=100, directory=str(model),
        transfer={"source": "Scalping", "kinds": ["weights"], "reason": None},
        verdict={"decision": "rolled_back", "reason": "it harms", "impact": impact},
        rolled_back="transfer rolled back: it harms",
        outcome={"model": str(model), "weights_sha256": "f00d", "validation": {"episode": 42}},
    )  # fmt: skip
    book = open_book()
    book.write(Bus().heard("training.run", run_view(step_view(), step)))
    with book.read() as history:
        (transfer,) = history.transfers()
        assert (transfer.transfer, transfer.source, transfer.target) == (
            "abc234-1", "Scalping", "Short",
        )  # fmt: skip
        assert (transfer.kinds, transfer.decision) == (["weights"], "rolled_back")
        assert (transfer.difference, transfer.low, transfer.high) == (-0.2, -0.3, -0.1)
        assert history.run("abc234").buckets[1].arm == "scratch"
        (saved,) = history.checkpoints("abc234")
        assert (saved.kind, saved.episode, saved.bytes, saved.sha256) == ("model", 42, 7, "f00d")


def test_checkpoints_are_those_in_the_folder_now(open_book: Open, tmp_path: Path) -> None:
    def checkpoint(number: int) -> Path:
        made = tmp_path / "run" / "checkpoints" / f"{number:08d}"
        made.mkdir(parents=True)
        (made / "state.safetensors").write_bytes(b"state")
        (made / "manifest.json").write_text('{"sha256": {"state.safetensors": "beef"}}')
        return made

    bus, book = Bus(), open_book()
    old, torn = checkpoint(7), checkpoint(8)
    (torn / "manifest.json").unlink()
    view = run_view(step_view(directory=str(tmp_path / "run")))
    book.write(bus.heard("training.run", view))
    with book.read() as history:
        assert [one.episode for one in history.checkpoints("abc234")] == [7]
        old.rename(tmp_path / "gone")
        checkpoint(9)
        sample: dict[str, Any] = {"host": {}, "gpus": [], "processes": []}
        book.write(bus.heard("monitoring.sample", sample, source="monitoring"))
        (left,) = history.checkpoints("abc234")
        assert (left.episode, left.sha256, left.kind) == (9, "beef", "checkpoint")


def test_signals_and_other_events_are_kept(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    signal = {"symbol": "BTC/USDT", "interval": "5m", "synthetic": False, "time": 1_700_000_000_000,
              "close": 1.5, "position": -0.25, "buckets": [], "horizons": []}  # fmt: skip
    progress = {"job": "j", "position": 0, "name": "n", "share": 0.5, "text": ""}
    book.write(
        bus.heard("signal", signal, source="signal"),
        bus.heard("signal", signal | {"close": 2.5}, source="signal"),
        bus.heard("daemon.worker", {"name": "training.abc234", "state": "stalled"}),
        bus.heard("training.memory", {"run": "abc234", "text": "<b>\u2028"}),
        bus.heard("evaluation.progress", progress, source="evaluation"),
    )
    with book.read() as history:
        (one,) = history.signals(symbol="BTC/USDT")
        assert (one.close, one.position, one.detail["horizons"]) == (2.5, -0.25, [])
        memory, worker = history.events()
        assert (worker.kind, worker.run, worker.body["state"]) == ("daemon.worker", None, "stalled")
        assert (memory.run, memory.body["text"]) == ("abc234", "<b>\u2028")
        assert history.events(before=memory.id) == history.events(kind="daemon.worker") == [worker]
        assert history.events(run="abc234") == [memory]


def test_a_replay_changes_nothing(open_book: Open, config: Config) -> None:
    bus = Bus()
    told = [bus.heard("training.run", run_view()), *map(bus.episode, range(1, 5)),
            bus.heard("daemon.state", {"state": "ready"}, source="daemon")]  # fmt: skip
    open_book().write(*told)
    before = counts(config)
    book = open_book()
    book.write(*told[2:], *told)
    assert counts(config) == before
    assert book.writer.position == Position(EPOCH, {"training": 5, "daemon": 1})


def test_another_start_of_the_daemon_begins_to_count_anew(open_book: Open, config: Config) -> None:
    open_book().write(*map(Bus("e1").episode, range(1, 4)))
    book = open_book()
    book.write(Bus("e2").episode(4))
    assert book.writer.position == Position("e2", {"training": 1})
    assert counts(config)["episodes"] == 4


MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("training.progress", {"run": "abc234"}),
    ("training.progress", {"run": 7, "position": "x", "bucket": [], "episode": 1,
                           "metrics": {"reward": 1.0}, "eta_s": 1.0}),
    ("training.progress", {"run": "abc234", "position": 0, "bucket": "Scalping", "episode": 2**40,
                           "metrics": {}, "eta_s": 1.0}),
    ("training.progress", {"run": "abc234", "position": 0, "bucket": "Scalping", "episode": 2,
                           "metrics": {"reward": 1.0}, "eta_s": None}),
    ("training.run", {"run": "abc234", "steps": None}),
    ("training.run", {**run_view(run="odd"), "seed": 2**80}),
    ("signal", {"symbol": {}, "interval": "5m", "time": "now"}),
    ("monitoring.sample", {"host": 3}),
]  # fmt: skip


def test_a_malformed_event_holds_nothing_up(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    for number, (kind, body) in enumerate(MALFORMED, 1):
        book.write(bus.episode(number), bus.heard(kind, body))
        assert book.writer.status.refused == number, (kind, body)
        assert book.writer.status.degraded is None
    assert {one[1] for one in book.log.kept} == {"event cannot be recorded"}
    with book.read() as history:
        curve = history.curves("abc234", 0, ["reward"])[0]
        assert curve.episode == list(range(1, len(MALFORMED) + 1))
        assert [one.run for one in history.runs()] == ["abc234"]


def test_text_that_postgresql_cannot_take_is_left_out(open_book: Open) -> None:
    bus, book = Bus(), open_book()
    book.write(bus.episode(1, run="a\0b"), bus.episode(2))
    assert book.writer.status.degraded is None
    with book.read() as history:
        assert history.curves("abc234", 0, ["reward"])[0].episode == [2]


def test_what_folders_have_and_events_did_not_tell_is_read(
    open_book: Open, config: Config, tmp_path: Path
) -> None:
    run, twin = tmp_path / "run", tmp_path / "run-scratch"
    for folder, last in ((run, 5), (twin, 3)):
        folder.mkdir()
        rows = [f'{{"episode": {n}, "episodes": 5, "reward": {n}.5}}' for n in range(1, last + 1)]
        rows += ["not JSON", "[1]", '{"episode": "x"}', '{"episode": 6, "rew']
        (folder / "metrics.jsonl").write_text("\n".join(rows))
    view = run_view(step_view(state="done", episode=5, directory=str(run)), state="done")
    bus, book = Bus(), open_book()
    book.write(bus.episode(1), bus.episode(3), Backfill(view))
    book.write(Backfill(view))
    with book.read() as history:
        found = {curve.arm: curve for curve in history.curves("abc234", 0, ["reward"])}
        assert found["main"].episode == [1, 2, 3, 4, 5]
        assert found["main"].mean == [0.1, 2.5, 3.5, 4.5, 5.5]
        assert found["scratch"].episode == [1, 2, 3]
    assert counts(config)["episodes"] == 8
    assert book.writer.status.refused == 0


def test_a_locked_database_degrades_and_is_caught_up_with(tmp_path: Path) -> None:
    config = Config.model_validate({"MODELS_DIR": str(tmp_path)})
    bus, book = Bus(), Book(config, **QUICK)
    try:
        book.write(bus.episode(1))
        lock = sqlite3.connect(history_file(tmp_path), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for number in range(2, 200):
            book.writer.put(bus.episode(number))
        assert time.monotonic() - began < 1  # nobody waits
        wait_for(lambda: book.writer.status.degraded is not None)
        status = book.writer.status
        assert (status.degraded, status.waiting) == ("database is locked", 198)
        assert status.since is not None and abs(status.since - time.time()) < 20
        lock.execute("ROLLBACK")
        lock.close()
        wait_for(lambda: [one.degraded for one in book.said] == ["database is locked", None])
        assert book.writer.settled
        with book.read() as history:
            assert history.curves("abc234", 0, ["reward"])[0].episode == list(range(1, 200))
    finally:
        book.writer.close()


class Fault:
    """The database as a disk that is full, from `begin` on until `end`."""

    def __init__(self) -> None:
        self.full = False

    def open(self, config: Config) -> Engine:
        engine = open_for_writing(config)
        event.listen(engine, "before_cursor_execute", self._strike)
        return engine

    def _strike(self, connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if self.full and statement.startswith(("INSERT", "UPDATE")):
            raise OperationalError(statement, {}, sqlite3.OperationalError("disk is full"))


def test_a_full_disk_loses_no_event_that_fits(open_book: Open, config: Config) -> None:
    fault, bus = Fault(), Bus()
    book = open_book(room=50, open_database=fault.open, **QUICK)
    book.write(bus.episode(1))
    fault.full = True
    told = [bus.episode(number) for number in range(2, 200)]
    taken = 0
    for one in told:
        taken += book.writer.put(one)
    assert 50 <= taken < len(told)  # then there is no room, and that is said
    wait_for(lambda: book.writer.status.degraded == "disk is full")
    assert book.writer.position == Position(EPOCH, {"training": 1})
    fault.full = False
    wait_for(lambda: book.writer.settled)
    position = book.writer.position
    assert position is not None
    book.write(*[one for one in told if one.seq > position.seq["training"]][:40])
    with book.read() as history:
        curve = history.curves("abc234", 0, ["reward"])[0]
        assert curve.episode == list(range(1, len(curve.episode) + 1))
        assert len(curve.episode) == 1 + taken + 40


def test_a_server_that_goes_and_comes_back(postgresql: Server) -> None:
    config = Config.model_validate({"HISTORY_URL": postgresql.database()})
    bus, book = Bus(), Book(config, **QUICK)
    try:
        book.write(bus.episode(1))
        postgresql.stop()
        book.writer.put(bus.episode(2))
        wait_for(lambda: book.writer.status.degraded is not None)
        assert "s3cret" not in str(book.said) + str(book.log.kept)
        postgresql.start()
        wait_for(lambda: book.said[-1].degraded is None)
        assert book.writer.settled
        with book.read() as history:
            assert history.curves("abc234", 0, ["reward"])[0].episode == [1, 2]
    finally:
        if postgresql.process is None:
            postgresql.start()
        book.writer.close()


def test_what_cannot_be_opened_yet_is_waited_for(tmp_path: Path) -> None:
    models = tmp_path / "Models"
    bus, book = Bus(), Book(Config.model_validate({"MODELS_DIR": str(models)}), **QUICK)
    try:
        book.writer.put(bus.episode(1))
        wait_for(lambda: book.writer.status.degraded == "unable to open database file")
        assert book.writer.position is None
        models.mkdir()
        wait_for(lambda: book.writer.settled)
        assert book.writer.status.written == 1
    finally:
        book.writer.close()


def test_an_end_writes_what_waits(open_book: Open, config: Config) -> None:
    bus, book = Bus(), open_book()
    for number in range(1, 1200):
        book.writer.put(bus.episode(number))
    book.writer.close()
    assert counts(config)["episodes"] == 1199


kinds = st.sampled_from(["training.run", "training.progress", "daemon.state"])
numbers = st.integers(1, 30)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(st.tuples(kinds, numbers), max_size=25), st.integers(0, 25))
def test_wherever_it_is_cut_the_tables_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, int]], cut: int
) -> None:
    bus = Bus()

    def heard(kind: str, number: int) -> Heard:
        if kind == "training.progress":
            return bus.episode(number)
        return bus.heard(kind, run_view() if kind == "training.run" else {"state": str(number)})

    events = [heard(*one) for one in told]
    found = []
    for parts in ([events], [events[:cut], events[max(0, cut - 5) :]]):
        folder = tmp_path_factory.mktemp("cut")
        config = Config.model_validate({"MODELS_DIR": str(folder)})
        for part in parts:
            book = Book(config)
            book.write(*part)
            book.writer.close()
        found.append(counts(config))
    assert found[0] == found[1]
