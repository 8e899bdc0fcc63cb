"""What the history answers, from many rows."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert

from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history import schema
from btc_ai.history.curves import read_curve
from btc_ai.history.database import open_for_writing
from btc_ai.history.queries import History
from btc_ai.lock import Lock
from btc_ai.paths import models_lock_file
from tests.history.conftest import Book, Bus, run_view, step_view

Open = Callable[..., Book]


def test_a_thousand_runs_are_paged_newest_first(config: Config) -> None:
    engine = open_for_writing(config)
    with engine.begin() as connection:
        runs = [
            {**_run(f"r{n:03}"), "created": n, "state": "done" if n < 900 else "queued"}
            for n in range(1000)
        ]
        buckets = [
            {**_bucket(f"r{n:03}"), "id": 2 * n + place, "position": place, "bucket": bucket}
            for n in range(1000)
            for place, bucket in enumerate(("Scalping", "Short" if n % 2 else "Long"))
        ]
        connection.execute(insert(schema.runs), runs)
        connection.execute(insert(schema.buckets), buckets)
    engine.dispose()
    with History.open(config) as history:
        assert [one.run for one in history.runs(limit=2)] == ["r999", "r998"]
        assert [one.run for one in history.runs(limit=2, offset=2)] == ["r997", "r996"]
        assert [one.run for one in history.runs(state="done", bucket="Long", limit=1)] == ["r898"]
        assert [bucket.bucket for bucket in history.run("r001").buckets] == ["Scalping", "Short"]
        assert history.runs(symbol="ETH/USDT") == []
        assert len(history.runs(limit=1000)) == 1000
        with pytest.raises(HistoryError, match="has no run 'nope'"):
            history.run("nope")
        assert (history.find().run, history.find("r042").run) == ("r999", "r042")
        with pytest.raises(HistoryError, match="r04 begins several runs: r049, r048"):
            history.find("r04")
        with pytest.raises(HistoryError, match="has no run '%'"):
            history.find("%")


def test_a_long_curve_keeps_its_extremes(config: Config) -> None:
    engine = open_for_writing(config)
    with engine.begin() as connection:
        connection.execute(insert(schema.runs), _run("r"))
        connection.execute(insert(schema.buckets), _bucket("r"))
        connection.execute(
            insert(schema.curves), [{"id": 1, "bucket_id": 1, "arm": "main", "name": "reward"}]
        )
        values = [
            {"curve_id": 1, "episode": n, "value": 9.0 if n == 777 else n % 2} for n in range(5000)
        ]
        connection.execute(insert(schema.metrics), values)
    engine.dispose()
    with History.open(config) as history:
        (curve,) = history.curves("r", 0, ["reward"], max_points=100)
        assert (len(curve.episode), curve.episode[-1]) == (100, 4999)
        assert max(curve.high) == 9.0 and curve.mean[0] == 0.5 and curve.low[0] == 0
        (part,) = history.curves("r", 0, ["reward"], first=770, last=780, max_points=100)
        assert part.episode == list(range(770, 781)) and part.mean[7] == 9.0
        (smooth,) = history.curves("r", 0, ["reward"], first=4000, max_points=10, smoothing=0.99)
        assert len(smooth.episode) == 10
        assert all(abs(value - 0.5) < 0.01 for value in smooth.mean)
        assert smooth.low == [0] * 10 and smooth.high == [1] * 10
        assert history.curves("r", 0, ["reward"], first=6000)[0].episode == []


def _run(run: str) -> dict[str, Any]:
    return {
        "run": run, "state": "done", "created": 0, "updated": 0, "symbol": "", "interval": "",
        "synthetic": False, "seed": 0, "transfer": False,
    }  # fmt: skip


def _bucket(run: str) -> dict[str, Any]:
    return {
        "id": 1, "run": run, "position": 0, "bucket": "B", "state": "done", "learner": "cfq",
        "episodes": 1, "episode": 1, "arm": "main", "degraded": False, "detail": {},
    }  # fmt: skip


finite = st.floats(-1e6, 1e6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.integers(0, 60), finite, min_size=1), st.integers(1, 20),
    st.sampled_from([0.0, 0.5, 0.99]), st.tuples(st.integers(0, 60), st.integers(0, 60)),
)  # fmt: skip
def test_every_episode_is_in_exactly_one_point(
    values: dict[int, float], max_points: int, smoothing: float, window: tuple[int, int]
) -> None:
    engine = create_engine("sqlite://")
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        rows = [{"curve_id": 1, "episode": n, "value": value} for n, value in values.items()]
        connection.execute(insert(schema.metrics), rows)
        found = read_curve(connection, 1, *window, max_points, smoothing)
    engine.dispose()
    episodes, mean, low, high, whole = found
    assert not whole or episodes == [n for n in sorted(values) if window[0] <= n <= window[1]]
    within = {n: value for n, value in values.items() if window[0] <= n <= window[1]}
    assert len(episodes) == len(mean) == len(low) == len(high) <= max_points
    assert episodes == sorted(set(episodes)) and set(episodes) <= within.keys()
    if within:
        assert (min(low), max(high)) == (min(within.values()), max(within.values()))
        assert episodes[-1] == max(within)
    if not smoothing and max_points > 60:
        assert dict(zip(episodes, mean, strict=True)) == within
    if len(set(values.values())) == 1:  # a constant stays what it is
        assert mean == pytest.approx([next(iter(values.values()))] * len(mean))


def test_times_of_episodes_are_thinned_to_the_last(open_book: Open) -> None:
    book, bus = open_book(), Bus()
    book.write(*(bus.episode(number) for number in range(1, 41)))
    with book.read() as history:
        assert history.times("abc234", 0)[:2] == [(1, 1001.0), (2, 1002.0)]
        few = history.times("abc234", 0, max_points=10)
        assert few[-1] == (40, 1040.0) and few[0] == (4, 1004.0) and len(few) == 10
        assert history.times("nope", 0) == []


def test_what_trained_when_its_daemon_ended_is_interrupted(open_book: Open) -> None:
    book = open_book()
    steps = (step_view(state="done"), step_view(1, "Short"), step_view(2, "Long", state="waiting"))
    book.write(Bus().heard("training.run", run_view(*steps)))
    with book.read() as history:
        assert (history.run("abc234").state, history.runs()[0].state) == ("running", "running")
        Lock(models_lock_file(book.config.MODELS_DIR), "it").release()
        run = history.run("abc234")
        assert run.state == "interrupted"
        assert [one.state for one in run.buckets] == ["done", "interrupted", "waiting"]
        assert history.runs() == [run] and history.find() == run
        lock = Lock(models_lock_file(book.config.MODELS_DIR), "it")
        assert history.run("abc234").state == "running"
        lock.release()


def test_samples_are_series(open_book: Open) -> None:
    bus, book, start = Bus(), open_book(), time.time() // 100 * 100
    gpu = {"index": 1, "name": "A", "power_w": 70.0, "utilisation": None}
    for number in range(30):
        sample = {"host": {"cpu": number / 10, "name": "x"}, "processes": [], "gpus": [gpu]}
        book.write(bus.heard("monitoring.sample", sample, time=start + number))
    with book.read() as history:
        found = {one.name: one for one in history.system(start, start + 100)}
        assert found.keys() == {"host.cpu", "gpu.1.power_w"}
        assert found["host.cpu"].time == [start + number for number in range(30)]
        (cpu,) = history.system(start, start + 30, names=["host.*"], max_points=3)
        assert (cpu.time[0], len(cpu.time)) == (start + 9, 3)
        assert cpu.mean == pytest.approx([0.45, 1.45, 2.45])
        assert (cpu.low, cpu.high) == ([0, 1, 2], [0.9, 1.9, 2.9])
        assert history.system(start + 100, start + 200) == []
        assert [one.name for one in history.system(start, start + 9, names=["gpu.1.power_w"])] == [
            "gpu.1.power_w"
        ]
