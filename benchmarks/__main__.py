"""`make bench`: every benchmark, one after the other; writes `benchmarks/results.md`.

`python -m benchmarks [CANDLES]`: a file with a year of 5-minute candles for the whole run.
"""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"
BENCHMARKS = (
    "throughput",
    "scaling",
    "learning_curve",
    "known_markets",
    "four_buckets",
    "transfer",
    "twin",
    "executors",
    "spine",
)
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


def main() -> int:
    """Run them all; exit status 1 where a bar was missed."""
    today = datetime.now(UTC).date()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    parts = [
        "# Benchmark results",
        f"{today}, {processor()}, Python {platform.python_version()}, {versions}.\n"
        "Written by `make bench`; machines differ: compare ratios.",
    ]
    reached = True
    for name in BENCHMARKS:
        text, ok = run(name, sys.argv[1:] if name == "four_buckets" else [])
        reached &= ok
        parts.append(f"## {name}\n\n```\n{text}\n```" + ("" if ok else "\n\nA bar was missed."))
    RESULTS.write_text("\n\n".join(parts) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
