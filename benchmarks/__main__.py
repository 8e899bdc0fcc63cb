"""`make bench`: every benchmark, one after the other; writes `benchmarks/results.md`.

`python -m benchmarks [FOLDER]`: with a folder of parquet files named like btcusdt_5m_2023.parquet
those of a whole year take the first of 5-minute candles, and `real_candles` all of them. With
`--only` some are measured anew and the others' results stay; `soak` and `fuzz` only by name.
"""

import argparse
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
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
    "events",
    "faults",
    "logs",
    "log_flood",
    "history",
    "dashboard",
    "updates",
)
WITH_CANDLES = ("real_candles", "transfer_study")
SOAKS = ("soak", "fuzz")
ALL = (*BENCHMARKS, *WITH_CANDLES, *SOAKS)
PACKAGES = (
    "btc-ai",
    "torch",
    "numpy",
    "pandas",
    "pyzmq",
    "typer",
    "stable-baselines3",
    "tensorboard",
)


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
        if year:
            arguments |= {name: [str(year)] for name in ("four_buckets", "transfer_study")}
        arguments["real_candles"] = [str(folder)]
    return arguments


def earlier() -> dict[str, str]:
    """The sections of the results as they are, by benchmark."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    _, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def _version(package: str) -> str | None:
    """The installed version; None: it is not there, as `bench`'s packages are not for a soak."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def head() -> str:
    """Machine and versions."""
    found = {package: _version(package) for package in PACKAGES}
    versions = ", ".join(f"{package} {number}" for package, number in found.items() if number)
    return (
        f"# Benchmark results\n\n{processor()}, Python {platform.python_version()}, {versions}.\n"
        "Written by `make bench`; machines differ: compare ratios."
    )


def main() -> int:
    """Run them; exit status 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", choices=ALL, default=None)
    options = parser.parse_args()
    plan = planned(options.folder)
    plan |= {name: [] for name in options.only or () if name in SOAKS}
    if missing := [name for name in options.only or () if name not in plan]:
        parser.error(f"{', '.join(missing)} needs a folder of candles")
    sections, reached = earlier() if options.only else {}, True
    for name in options.only or plan:
        text, ok = run(name, plan[name])
        reached &= ok
        verdict = "" if ok else "A bar was missed. "
        sections[name] = f"{verdict}{datetime.now(UTC).date()}\n\n```\n{text}\n```"
        ordered = [*(one for one in ALL if one in sections), *(sections.keys() - set(ALL))]
        parts = [f"## {one}\n\n{sections[one]}" for one in ordered]
        RESULTS.write_text("\n\n".join([head(), *parts]) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
