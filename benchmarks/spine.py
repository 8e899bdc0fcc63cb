"""The daemon and the command line: start-up beside a bare program, round trip, memory, idleness.

`python -m benchmarks.spine`
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from btc_ai.bus.client import Client

HELLO = (
    "import typer, zmq, msgpack\n"
    "def main() -> None: print('hello', msgpack.unpackb(msgpack.packb(zmq.__version__)))\n"
    "typer.run(main)"
)
ROUNDS = 15
CALLS = 5_000
IDLE_S = 10.0


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of one command."""
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def start_up(environment: dict[str, str]) -> tuple[str, bool]:
    """`btc-ai status` against a bare typer + zmq + msgpack program, taken in turn."""
    status = [sys.executable, "-m", "btc_ai.cli.app", "status"]
    hello = [sys.executable, "-c", HELLO]
    pairs = [(seconds(status, environment), seconds(hello, environment)) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = ours / bare
    said = f"btc-ai status {ours:.3f} s, bare program {bare:.3f} s: {ratio:.2f}× (bar 1.5×)"
    return said, ratio <= 1.5


def round_trip(runtime: Path) -> tuple[str, bool]:
    """`daemon.ping` over the socket."""
    with Client(runtime) as client:
        times = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            client.call("daemon.ping")
            times.append(time.perf_counter() - begun)
    times.sort()
    median, p99 = times[CALLS // 2] * 1e3, times[int(CALLS * 0.99)] * 1e3
    return f"command round trip: median {median:.2f} ms, p99 {p99:.2f} ms (bar 2 ms)", p99 <= 2


def idle(pid: int) -> tuple[str, bool]:
    """Memory and processor time of the daemon while nobody asks it anything."""
    before = _cpu_s(pid)
    time.sleep(IDLE_S)
    share = (_cpu_s(pid) - before) / IDLE_S
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    said = f"daemon idle: {megabytes:.0f} MB RSS (bar 80), {share:.2%} of a core (bar 1 %)"
    return said, megabytes <= 80 and share <= 0.01


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Start a daemon, measure, print, stop it; exit status 1 above a bar."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-") as folder:
        root = Path(folder)
        (root / "btc_ai.json").write_text("{}")
        environment = os.environ | {
            "BTC_AI_CONFIG": str(root / "btc_ai.json"),
            "BTC_AI_RUNTIME_DIR": str(root / "run"),
        }
        command = [sys.executable, "-m", "btc_ai.cli.app", "daemon"]
        subprocess.run([*command, "start"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            pid = int((root / "run" / "daemon.lock").read_text())
            results = [start_up(environment), round_trip(root / "run"), idle(pid)]
        finally:
            subprocess.run(
                [*command, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL
            )
    for said, _ in results:
        print(said)
    return int(not all(reached for _, reached in results))


if __name__ == "__main__":
    raise SystemExit(main())
