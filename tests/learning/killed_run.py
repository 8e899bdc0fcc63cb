"""Trains a small bucket in a process that kills itself in a write or before an update."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from btc_ai.durable import write_durably
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features
from btc_ai.names import BUILTIN_LEARNERS


def market() -> Candles:
    generator = np.random.default_rng(3)
    close = np.exp(np.cumsum(generator.standard_normal(3_000) * 20e-4))
    opened = np.concatenate([close[:1], close[:-1]])
    return Candles(
        symbol="TEST/USDT",
        interval="5m",
        time=np.arange(3_000, dtype=np.int64) * 300_000,
        open=opened,
        high=np.maximum(opened, close),
        low=np.minimum(opened, close),
        close=close,
        volume=np.exp(generator.standard_normal(3_000)),
        source="test",
    )


def main(directory: Path, learner: str, fatal_write: int, fatal_update: int) -> None:
    writes = updates = 0

    def write(path: Path, content: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == fatal_write:
            path.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write_durably(path, content)

    def before_an_update() -> bool:
        nonlocal updates
        updates += 1
        if updates == fatal_update:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    settings = TrainingSettings(
        "Small",
        2,
        24,
        ("price", "rsi"),
        buffer_size=1_000,
        batch_size=8,
        episodes=5,
        learner=learner,
    )
    train_bucket(
        settings,
        market(),
        builtin_features(),
        directory,
        should_stop=before_an_update,
        checkpoint_seconds=0,
        write=write,
    )


if __name__ == "__main__":
    learner = next(name for name in BUILTIN_LEARNERS if name == sys.argv[2])
    main(Path(sys.argv[1]), learner, int(sys.argv[3]), int(sys.argv[4]))
