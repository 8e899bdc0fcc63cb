"""Trains a small bucket in a process of its own that kills itself in the middle of a write."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.files import write_durably
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


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


def main(directory: Path, fatal_write: int) -> None:
    writes = 0

    def write(path: Path, content: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == fatal_write:
            path.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        write_durably(path, content)

    settings = TrainingSettings(
        "Small", 2, 24, ("price", "rsi"), buffer_size=1_000, batch_size=8, episodes=5
    )
    train_bucket(
        settings, market(), builtin_features(), directory, checkpoint_seconds=0, write=write
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
