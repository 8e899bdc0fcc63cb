"""The whole run: four buckets, 100 episodes each, on a year of 5-minute candles, by the daemon.

`python -m benchmarks.four_buckets [CANDLES]`; without a file, on a sample market of that length.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

YEAR = 105_000
LIMIT_S, LIMIT_MB = 120.0, 1200.0


def main() -> int:
    """Run, print time, memory and results; exit status 1 above a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candles", type=Path, nargs="?")
    candles: Path | None = parser.parse_args().candles
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        house = House(Path(folder))
        if candles:
            file = str(candles.absolute())
            house.run("data", "import", file, "--symbol", "BTC/USDT", "--interval", "5m")
            market = ["--symbol", "BTC/USDT"]
        else:
            house.run("data", "sample", "--bars", str(YEAR))
            market = ["--market", "sample"]
        try:
            house.run("daemon", "start")
            begun = time.perf_counter()
            house.run("train", "--episodes", "100", *market)
            seconds = time.perf_counter() - begun
            shown: dict[str, Any] = json.loads(house.run("show", "--json"))
        finally:
            house.run("daemon", "stop")
    return _report(shown, seconds)


def _report(shown: dict[str, Any], seconds: float) -> int:
    outcomes = [step["outcome"] for step in shown["steps"]]
    peak = max(outcome["worker_peak_mb"] for outcome in outcomes)
    print(f"{len(outcomes)} buckets × 100 episodes: {seconds:.0f} s (bar {LIMIT_S:.0f} s)")
    print(f"worker: {peak:.0f} MB at its peak (bar {LIMIT_MB:.0f} MB)")
    for outcome in outcomes:
        result = {name: one["net_bps_per_bar"] for name, one in outcome["evaluation"].items()}
        words = ", ".join(f"{name} {value:+.4f}" for name, value in result.items())
        print(f"{outcome['bucket']}: held-out net bps a bar: {words}")
    return int(seconds > LIMIT_S or peak > LIMIT_MB)


class House:
    """A configuration and a daemon of its own."""

    def __init__(self, root: Path) -> None:
        """Write the configuration: the defaults."""
        (root / "btc_ai.json").write_text("{}")
        self._environment = os.environ | {
            "BTC_AI_CONFIG": str(root / "btc_ai.json"),
            "BTC_AI_RUNTIME_DIR": str(root / "run"),
        }

    def run(self, *arguments: str) -> str:
        """Run one command and return what it printed."""
        command = [sys.executable, "-m", "btc_ai.cli.app", *arguments]
        done = subprocess.run(
            command, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
