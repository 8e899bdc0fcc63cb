"""Begins a transfer in a process that kills itself in the middle of it."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btc_ai.api.transfer import KINDS
from btc_ai.learning import start
from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.transfer import apply, safeguard
from btc_ai.market.features import builtin_features
from tests.learning.killed_run import market

SETTINGS = TrainingSettings(
    "Small", 2, 24, ("price", "rsi"), buffer_size=256, batch_size=8, episodes=1
)
STAGES: dict[str, tuple[Any, str]] = {
    "loading": (start, "load_model"),
    "copying": (apply, "transfer_weights"),
    "deciding": (safeguard, "replace_durably"),
}


def run(directory: Path, source: Path | None) -> BucketResult:
    initial = InitialModel(source, kinds=KINDS) if source else None
    guarded = safeguard.Safeguard(directory)
    return train_bucket(
        SETTINGS, market(), builtin_features(), directory, initial=initial, safeguard=guarded
    )


def killing(original: Callable[..., object]) -> Callable[..., object]:
    def then_die(*values: object, **named: object) -> object:
        original(*values, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    return then_die


if __name__ == "__main__":
    module, name = STAGES[sys.argv[3]]
    setattr(module, name, killing(getattr(module, name)))
    run(Path(sys.argv[1]), Path(sys.argv[2]))
