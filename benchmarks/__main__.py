"""`make bench`: every benchmark, one after the other; writes `benchmarks/results.md`.

`python -m benchmarks [FOLDER]`: with a folder of parquet files named like btcusdt_5m_2023.parquet
the whole run takes the first of 5-minute candles, and `real_candles` all of them.
"""

import argparse
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"
BENCHMARKS = ("throughput", "scaling", "learning_curve", "known_markets", "four_buckets", "spine")
PACKAGES = ("btc-ai", "torch", "numpy", "pandas", "pyzmq", "typer", "stable-baselines3")


def processor() -> str:
    """The processor's name, as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def run(name: str, arguments: list[str]) -> tuple[str, bool]:
    """What one benchmark printed, and whether it reached its bars."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(f"--- {name}\n{done.stdout}", flush=True)
    return done.stdout.strip(), done.returncode == 0


def planned(folder: Path | None) -> dict[str, list[str]]:
    """The benchmarks and their arguments, in order."""
    arguments: dict[str, list[str]] = {name: [] for name in BENCHMARKS}
    if folder is not None:
        year = next(iter(sorted(folder.glob("*_5m_*.parquet"))), None)
        arguments["four_buckets"] = [str(year)] if year else []
        arguments["real_candles"] = [str(folder)]
    return arguments


def main() -> int:
    """Run them all; exit status 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    today = datetime.now(UTC).date()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    parts = [
        "# Benchmark results",
        f"{today}, {processor()}, Python {platform.python_version()}, {versions}.\n"
        "Written by `make bench`; machines differ: compare ratios.",
    ]
    reached = True
    for name, arguments in planned(parser.parse_args().folder).items():
        text, ok = run(name, arguments)
        reached &= ok
        parts.append(f"## {name}\n\n```\n{text}\n```" + ("" if ok else "\n\nA bar was missed."))
    RESULTS.write_text("\n\n".join(parts) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
