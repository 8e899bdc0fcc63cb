"""Does transfer help on real candles? The four buckets, ten seeds, three arms, whatever comes out.

    python -m benchmarks.transfer_study CANDLES [--seeds 10] [--episodes 100] [--output page.html]

Through the product's own `btc-ai study transfer`, with the default configuration: all three kinds
of transfer, a process for each core. Prints its tables; `--output` keeps the page.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.four_buckets import House


def main() -> int:
    """Run the study and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candles", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    workers = ["--workers", str(options.workers)] if options.workers else []
    market = ("--symbol", "BTC/USDT", "--interval", "5m")
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        house = House(Path(folder))
        house.run("data", "import", str(options.candles.absolute()), *market)
        try:
            began = time.perf_counter()
            found = house.run(
                "study", "transfer", *market, *workers,
                "--seeds", str(options.seeds), "--episodes", str(options.episodes),
            )  # fmt: skip
            spent = time.perf_counter() - began
            if options.output:
                house.run("study", "report", "--output", str(options.output.absolute()))
        finally:
            house.run("daemon", "stop")
    kept = (line for line in found.splitlines() if not line.startswith(("page:", "started")))
    print("\n".join(line.rstrip() for line in kept))
    print(f"{options.seeds} seeds, {options.episodes} episodes: {spent:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
