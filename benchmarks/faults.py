"""Faults of plugins: how soon each is seen, and what it costs the others.

A daemon runs every bundled plugin in a process of its own. Each fault is put into one of them, and
meanwhile another's commands are timed: the 99th percentile, as a ratio to that without a fault. The
limits: seen within 5 s, ratio below 2.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from btc_ai.bus.client import Client, NoDaemonError
from tests.conftest import House, open_house

FAULTS = Path(__file__).parents[1] / "tests" / "faults"
PLUGINS = ("evaluation", "signal", "study", "training", "transfer")
CALLS = 1500
SEEN_LIMIT_S, RATIO_LIMIT = 5.0, 2.0

Body = dict[str, Any]
Seen = Callable[[Body], bool]
BROKEN: Seen = lambda one: one["state"] == "broken"  # noqa: E731
DIED: Seen = lambda one: bool(one["deaths"])  # noqa: E731
STALLED: Seen = lambda one: one["state"] == "stalled"  # noqa: E731
STARTING: Seen = lambda one: one["state"] == "starting"  # noqa: E731
READY: Seen = lambda one: one["state"] == "ready"  # noqa: E731
EXPECTED: dict[str, Seen] = {
    "import-error": BROKEN, "syntax-error": BROKEN, "system-exit": BROKEN, "big-import": BROKEN,
    "hook": BROKEN, "start": BROKEN, "hard-exit": DIED, "segfault": DIED, "late-exit": DIED,
    "late-segfault": DIED, "gil": STALLED, "hang-import": STARTING, "handler": READY,
    "allocate": READY, "flood-events": READY, "flood-big-events": READY,
    "flood-stdout": READY,
}  # fmt: skip
"""What `btc-ai plugins list` is to show of each fault."""


class Bench:
    """A running daemon, and a client."""

    def __init__(self, house: House, file: Path, client: Client) -> None:
        """Over a house; `file` names the fault."""
        self._house, self._file, self._client = house, file, client

    def inject(self, plugin: str, fault: str) -> float:
        """Put a fault into a plugin; seconds until its state shows it."""
        self._file.write_text(f"{plugin} {fault}")
        self._client.call("daemon.disable", {"plugin": plugin}, timeout=60)
        began = time.monotonic()
        with suppress(NoDaemonError):  # it answers once the plugin is there
            self._client.call("daemon.enable", {"plugin": plugin}, timeout=0.02)
        while not EXPECTED[fault](self._state(plugin)):
            if time.monotonic() - began > 60:
                return float("inf")
            time.sleep(0.02)
        return time.monotonic() - began

    def heal(self, plugin: str) -> None:
        """Start the plugin without a fault."""
        self._file.write_text("none none")
        self._client.call("daemon.disable", {"plugin": plugin}, timeout=60)
        self._client.call("daemon.enable", {"plugin": plugin}, timeout=60)

    def _state(self, plugin: str) -> Body:
        plugins = self._client.call("daemon.status", timeout=60)["plugins"]
        return next(one for one in plugins if one["name"] == plugin)

    def p99_ms(self, plugin: str) -> float:
        """The 99th percentile of a command to another plugin, in ms; the median of three."""
        kind = "study.list" if plugin == "training" else "training.runs"
        return statistics.median(self._p99_ms(kind) for _ in range(3))

    def _p99_ms(self, kind: str) -> float:
        took = []
        for _ in range(CALLS // 3):
            began = time.perf_counter()
            self._client.call(kind, {}, timeout=60)
            took.append((time.perf_counter() - began) * 1000)
        return statistics.quantiles(took, n=100)[98]


def measure(bench: Bench) -> bool:
    """Print a row a fault; False where a limit was missed."""
    reached = True
    print("| fault | worst s until seen | p99 of the others, ms | worst ratio |\n|---|---|---|---|")
    quiet = {plugin: bench.p99_ms(plugin) for plugin in PLUGINS}
    for fault in EXPECTED:
        seen, ratios, p99s = [], [], []
        for plugin in PLUGINS:
            seen.append(bench.inject(plugin, fault))
            p99s.append(bench.p99_ms(plugin))
            ratios.append(p99s[-1] / quiet[plugin])
            bench.heal(plugin)
        reached &= max(seen) <= SEEN_LIMIT_S and max(ratios) < RATIO_LIMIT
        print(
            f"| {fault} | {max(seen):.1f} | {statistics.median(p99s):.2f} | {max(ratios):.2f} |",
            flush=True,
        )
    print(f"\nWithout a fault: {statistics.median(quiet.values()):.2f} ms (p99).")
    return reached


def main() -> int:
    """Run the matrix; exit status 1 where a limit was missed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fault"
        file.write_text("none none")
        path = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FAULTS), path]))
        os.environ["BTC_AI_FAULT_FILE"] = str(file)
        with open_house(Path(folder)) as house:
            house.configure(PLUGINS={name: {"ISOLATION": "process"} for name in PLUGINS})
            house.run("daemon", "start")
            with Client(house.runtime) as client:
                bench = Bench(house, file, client)
                for plugin in PLUGINS:
                    client.call("daemon.enable", {"plugin": plugin}, timeout=60)
                reached = measure(bench)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
