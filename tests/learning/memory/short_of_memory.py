"""Trains with large updates, in a process that may grow by so many MiB from the first one on."""

import json
import resource
import sys
from pathlib import Path

import psutil

from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.memory.backend import MB
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import builtin_features
from tests.learning.killed_run import market

SETTINGS = TrainingSettings(
    "Large", 2, 24, ("price",), buffer_size=2 * 2048 * 32, batch_size=2048, episodes=2
)


def main(directory: Path, megabytes: int) -> None:
    def confine() -> bool:
        unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
        if megabytes and unlimited:
            limit = psutil.Process().memory_info().vms + megabytes * MB
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return False

    result = train_bucket(SETTINGS, market(), builtin_features(), directory, should_stop=confine)
    rungs = [note["rung"] for note in result.memory]
    sys.stdout.write(json.dumps({"sha256": result.weights_sha256, "rungs": rungs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
