"""The history with many rows: what recording costs, and how fast a curve is read from 10⁷ of them.

`python -m benchmarks.history [--rows 10000000] [--url postgresql://…]`.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select

from btc_ai.api.messages import Heard
from btc_ai.api.testing import FakeLogger
from btc_ai.config import Config
from btc_ai.history import schema
from btc_ai.history.database import open_for_writing
from btc_ai.history.queries import History
from btc_ai.history.writer import Writer

EPISODES = 20_000
METRICS = ("reward", "loss", "win_rate", "profit_factor")
EVENTS = 5_000
FIRST_ID = 1_000_000
"""Beyond those that the database gives by itself."""
DAY_S = 86_400
BARS = {
    "put, µs": 100.0, "curve, ms": 250.0, "smooth curve, ms": 500.0, "50 runs, ms": 100.0,
    "a day of samples, ms": 250.0,
}  # fmt: skip


def fill(engine: Engine, rows: int) -> int:
    """Runs of one bucket, of EPISODES episodes each, and a day of a series; the number of runs."""
    runs = max(1, rows // (EPISODES * len(METRICS)))
    with engine.begin() as connection:
        for number in range(runs):
            run = f"run{number:05}"
            connection.execute(insert(schema.runs), _run(run, number))
            connection.execute(insert(schema.buckets), _bucket(run, number))
        curves = [
            {"id": FIRST_ID + len(METRICS) * number + place, "bucket_id": FIRST_ID + number,
             "arm": "main", "name": name}
            for number in range(runs)
            for place, name in enumerate(METRICS)
        ]  # fmt: skip
        connection.execute(insert(schema.curves), curves)
        connection.execute(insert(schema.series), [{"id": FIRST_ID, "name": "host.cpu"}])
        samples = [
            {"series_id": FIRST_ID, "resolution": 0, "time": 1000 * second, "mean": 0.5, "low": 0.5,
             "high": 0.5, "count": 1}
            for second in range(0, DAY_S, 5)
        ]  # fmt: skip
        connection.execute(insert(schema.samples), samples)
    for curve in range(FIRST_ID, FIRST_ID + runs * len(METRICS)):
        values = [
            {"curve_id": curve, "episode": episode, "value": float(episode % 97)}
            for episode in range(1, EPISODES + 1)
        ]
        with engine.begin() as connection:
            connection.execute(insert(schema.metrics), values)
    return runs


def _run(run: str, number: int) -> dict[str, Any]:
    return {
        "run": run, "state": "done", "created": float(number), "updated": 0.0, "symbol": "BTC/USDT",
        "interval": "5m", "synthetic": False, "seed": 0, "transfer": True,
    }  # fmt: skip


def _bucket(run: str, number: int) -> dict[str, Any]:
    return {
        "id": FIRST_ID + number, "run": run, "position": 0, "bucket": "Scalping", "state": "done",
        "learner": "cfq", "episodes": EPISODES, "episode": EPISODES, "arm": "main",
        "degraded": False, "detail": {},
    }  # fmt: skip


def record(config: Config) -> tuple[float, float]:
    """µs that an event costs whoever records it, and events a second that are written."""
    writer = Writer(config, FakeLogger(), on_change=lambda status: None)
    writer.start()
    while not writer.settled:
        time.sleep(0.01)
    events = [_episode(number) for number in range(1, EVENTS + 1)]
    began = time.perf_counter()
    for one in events:
        assert writer.put(one)
    put = time.perf_counter() - began
    while not writer.settled:
        time.sleep(0.01)
    written = time.perf_counter() - began
    writer.close()
    return put / EVENTS * 1e6, EVENTS / written


def _episode(number: int) -> Heard:
    metrics = dict.fromkeys(METRICS, number / 7)
    body = {
        "run": "live", "position": 0, "bucket": "Scalping", "episode": number, "metrics": metrics,
        "eta_s": 1.0,
    }  # fmt: skip
    return Heard("training.progress", body, "training", None, number, 1.0 * number, epoch="bench")


def median_ms(work: Callable[[], object], times: int = 7) -> float:
    """The median time of some calls."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def measure(config: Config, rows: int) -> dict[str, float]:
    """All of it."""
    engine = open_for_writing(config)
    began = time.perf_counter()
    runs = fill(engine, rows)
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(schema.metrics)).scalar_one()
    engine.dispose()
    found = {"rows": float(count), "filled, s": time.perf_counter() - began}
    found["put, µs"], found["events/s"] = record(config)
    middle, names = f"run{runs // 2:05}", list(METRICS)
    with History.open(config) as history:
        found["curve, ms"] = median_ms(lambda: history.curves(middle, 0, names[:1]))
        found["4 curves, ms"] = median_ms(lambda: history.curves(middle, 0, names))
        found["smooth curve, ms"] = median_ms(
            lambda: history.curves(middle, 0, names[:1], smoothing=0.99)
        )
        found["50 runs, ms"] = median_ms(lambda: history.runs(limit=50))
        found["a day of samples, ms"] = median_ms(lambda: history.system(0, DAY_S))
    found["peak, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> int:
    """Print what was measured; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--url", help="PostgreSQL database, empty; SQLite where none is named")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = {"MODELS_DIR": folder, "HISTORY_URL": arguments.url}
        found = measure(Config.model_validate(raw), arguments.rows)
        size = sum(one.stat().st_size for one in Path(folder).iterdir())
    if arguments.url is None:
        found["bytes a row"] = size / found["rows"]
    for name, value in found.items():
        bar = f" (bar {BARS[name]:g})" if name in BARS else ""
        print(f"{name}: {value:,.1f}{bar}")
    missed = [name for name, bar in BARS.items() if found[name] > bar]
    if missed:
        print(f"\nMissed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
