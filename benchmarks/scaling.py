"""How training scales: bars, features, network width, processes; environment, memory, checkpoints.

    python -m benchmarks.scaling

CPU-seconds, one torch thread a process. Bars: the environment alone at least 1 M steps a second at
256 lanes, and two processes at least 1.7 times one.
"""

import dataclasses
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from btc_ai.learning.checkpoint import Checkpoint, CheckpointStore
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.lanes import Lanes
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset, settings_for
from btc_ai.learning.network import HIDDEN, QNetwork
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings

UPDATES, LANES, STEPS = 100, 256, 2_000
BASE = settings_for(
    AutoregressiveMarket(), TrainingSettings("G2", 1, 72, ("signal",), episodes=10_000), seed=0
)
LEAST_STEPS, LEAST_SPEEDUP = 1e6, 1.7


def make_learner(dataset: Dataset, hidden: int = HIDDEN) -> CounterfactualQ:
    """CF-Q on a dataset, with a network of this width."""
    environment = MarketEnvironment(dataset, BASE)
    generator = torch.Generator().manual_seed(0)
    network = QNetwork(dataset.columns, BASE.horizons, generator, hidden=hidden)
    return CounterfactualQ(environment, network, BASE, generator=generator)


def bars_per_second(learner: CounterfactualQ) -> float:
    """Market bars learned from a CPU-second."""
    learner.update()
    began = time.process_time()
    for _ in range(UPDATES):
        learner.update()
    return UPDATES * BASE.batch_size * BASE.window / (time.process_time() - began)


def with_columns(dataset: Dataset, count: int) -> Dataset:
    """The dataset with its columns repeated until there are `count`."""
    features = dataset.features.repeat(1, -(-count // dataset.features.shape[1]))[:, :count]
    names = tuple(f"feature.{number}" for number in range(count))
    return dataclasses.replace(dataset, columns=names, features=features.contiguous())


def steps_per_second(dataset: Dataset) -> float:
    """Environment steps a CPU-second, features read, nothing learned."""
    environment = MarketEnvironment(dataset, BASE)
    held = environment.held_returns(1.0) / environment.scale
    lanes = Lanes(
        environment, torch.from_numpy(environment.starts(dataset.splits.train)),
        torch.from_numpy(held.astype(np.float32)), LANES, torch.Generator().manual_seed(0),
    )  # fmt: skip
    actions = torch.randint(3, (LANES,), generator=torch.Generator().manual_seed(1))
    began = time.process_time()
    for step in range(STEPS):
        if step % BASE.window == 0:
            lanes.restart()
        lanes.features()
        lanes.step(actions)
    return STEPS * LANES / (time.process_time() - began)


def one_process(seconds: float) -> int:
    """Updates that one process makes in so many seconds of the wall clock."""
    with reproducible(threads=1):
        learner = make_learner(known_dataset(AutoregressiveMarket(), BASE, 50_000))
        learner.update()
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            learner.update()
            count += 1
    return count


def speedup(seconds: float = 8.0) -> float:
    """Updates of two processes at once over those of one."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        alone = pool.apply(one_process, (seconds,))
        both = pool.map(one_process, [seconds] * 2, chunksize=1)
    return sum(both) / alone


def checkpoint(learner: CounterfactualQ) -> tuple[float, int]:
    """Milliseconds to write a checkpoint durably, and its size in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder))
        content = Checkpoint(learner.state_dict(), {}, {})
        began = time.perf_counter()
        for number in range(20):
            store.save(number, content)
        spent = (time.perf_counter() - began) / 20
        size = max(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
    return 1e3 * spent, size


def main() -> int:
    """Print the table; exit status 1 below a bar."""
    with reproducible(threads=1):
        market = AutoregressiveMarket()
        for bars in (50_000, 200_000, 800_000):
            learner = make_learner(known_dataset(market, BASE, bars))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rate = bars_per_second(learner)
            print(f"{bars:9,} bars       {rate:9,.0f} bars a CPU-s, peak {peak:,.0f} MB")
        dataset = known_dataset(market, BASE, 50_000)
        for count in (13, 50, 200):
            rate = bars_per_second(make_learner(with_columns(dataset, count)))
            print(f"{count:9} columns    {rate:9,.0f} bars a CPU-s")
        for hidden in (64, 128, 256):
            rate = bars_per_second(make_learner(dataset, hidden))
            print(f"{hidden:9} units      {rate:9,.0f} bars a CPU-s")
        steps = steps_per_second(dataset)
        print(f"{LANES:9} lanes      {steps:9,.0f} environment steps a CPU-s (bar 1,000,000)")
        spent, size = checkpoint(make_learner(dataset))
        print(f"checkpoint: {spent:.1f} ms, {size / 1024:.0f} KiB")
    ratio = speedup()
    print(f"two processes: {ratio:.2f} × one (bar {LEAST_SPEEDUP})")
    return 0 if steps >= LEAST_STEPS and ratio >= LEAST_SPEEDUP else 1


if __name__ == "__main__":
    raise SystemExit(main())
