"""Independent runs of a study on one core and on two: how much faster is the pool?

`python -m benchmarks.executors`: the same small study in-process, by a pool of one process and by
a pool of two. The result tables must be equal to the last bit; two processes at least 1.7 times as
fast as one. On a machine that is busy, or has one core, the ratio means nothing: it says so.
"""

import os
import tempfile
import time
from pathlib import Path

from btc_ai.api.executor import Executor
from btc_ai.execution.inline import InlineExecutor
from btc_ai.execution.process import ProcessExecutor, cores
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.study.design import Study
from btc_ai.learning.study.study import RESULTS, run_study
from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.sample import sample_market

LEAST_SPEEDUP = 1.7
SEEDS, EPISODES, BARS = 4, 40, 60_000
BUSY = 0.3
"""Cores' worth of other work above which a ratio is not to be trusted."""


def study() -> Study:
    """Two buckets, four seeds: sixteen runs of several seconds."""

    def bucket(name: str, low: int, seed: int) -> TrainingSettings:
        features = ("price", "rsi", "macd")
        return TrainingSettings(name, low, 12 * low, features, episodes=EPISODES, seed=seed)

    return Study(tuple((bucket("A", 2, seed), bucket("B", 6, seed)) for seed in range(SEEDS)))


def measure(executor: Executor) -> tuple[float, bytes]:
    """Seconds that the study takes, and its table."""
    candles = sample_market(BARS)
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        began = time.perf_counter()
        run_study(study(), candles, builtin_features(), executor, Path(folder))
        return time.perf_counter() - began, (Path(folder) / RESULTS).read_bytes()


def main() -> int:
    """Print the table; exit status 1 below a bar."""
    others = os.getloadavg()[0]
    executors: dict[str, Executor] = {
        "inline": InlineExecutor(),
        "pool of 1": ProcessExecutor(1),
        "pool of 2": ProcessExecutor(2),
    }
    spent, tables = {}, set()
    for name, executor in executors.items():
        spent[name], table = measure(executor)
        tables.add(table)
        print(f"{name:10} {spent[name]:7.1f} s", flush=True)
    equal, ratio = len(tables) == 1, spent["pool of 1"] / spent["pool of 2"]
    print(f"tables are {'equal to the last bit' if equal else 'NOT equal'}")
    print(f"two processes: {ratio:.2f} × one (bar {LEAST_SPEEDUP})")
    if cores() < 2 or others > BUSY:
        print(f"not to be trusted: {cores()} cores, {others:.1f} busy with other work before")
        return int(not equal)
    return int(not equal or ratio < LEAST_SPEEDUP)


if __name__ == "__main__":
    raise SystemExit(main())
