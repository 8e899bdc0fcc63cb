"""What measuring a transfer costs: a run with a scratch twin against the same run without.

`python -m benchmarks.twin [EPISODES]`: two buckets on the sample market, by the daemon, in turns.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.four_buckets import House

LIMIT = 1.5
ROUNDS = 2


def main() -> int:
    """Run both ways and print wall time and processor time; exit status 1 above the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("episodes", type=int, nargs="?", default=60)
    episodes: int = parser.parse_args().episodes
    walls: dict[str, list[float]] = {"off": [], "twin": []}
    for _ in range(ROUNDS):
        for verify, seconds in walls.items():
            wall, processor = _measure(verify, episodes)
            seconds.append(wall)
            print(f"{verify:>4}: {wall:.1f} s, {processor:.1f} s of processor time")
    ratio = min(walls["twin"]) / min(walls["off"])
    load = os.getloadavg()[0]
    print(f"twin / off: {ratio:.2f} (bar {LIMIT}), {os.cpu_count()} cores, load {load:.1f}")
    return int(ratio > LIMIT)


def _measure(verify: str, episodes: int) -> tuple[float, float]:
    """Wall and processor seconds of one run, daemon and workers, once the daemon is up."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        house = House(Path(folder))
        config = {
            "KNOWLEDGE_TRANSFER": {"TRANSFER_VERIFY": verify},
            "PROGRESSIVE_TRAINING": {"PAUSE_BETWEEN_BUCKETS": 0},
        }
        (Path(folder) / "btc_ai.json").write_text(json.dumps(config))
        house.run("data", "sample")
        try:
            house.run("daemon", "start")
            begun = time.perf_counter()
            house.run(
                "train", "--market", "sample", "--sequence", "Scalping", "Short",
                "--episodes", str(episodes),
            )  # fmt: skip
            wall = time.perf_counter() - begun
            return wall, _children_seconds(Path(folder) / "run" / "daemon.lock")
        finally:
            house.run("daemon", "stop")


def _children_seconds(lock: Path) -> float:
    """Processor time of the daemon's ended workers (proc(5): cutime, cstime)."""
    fields = Path(f"/proc/{int(lock.read_text())}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
