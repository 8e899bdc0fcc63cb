"""Many processes that log through real pipes into one writer, while some of them are killed.

`python -m benchmarks.log_flood [--records 100000]`: records a second, none lost, none torn; and
what a log call costs the process that makes it, beside `logging.FileHandler`.
"""

import argparse
import logging
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from benchmarks.log_flooder import COUNTER
from btc_ai.logs.capture import capture, logger, release
from btc_ai.logs.files import MAIN, all_files
from btc_ai.logs.inlet import Inlet
from btc_ai.logs.layout import DEFAULT, Layout
from btc_ai.logs.pipe import PipeLog
from btc_ai.logs.record import Record
from btc_ai.logs.rolling import Rolling
from btc_ai.logs.writer import LogWriter

ROOT = Path(__file__).parents[1]


OWN = "btc_ai.flood"
CALLS, REPEATS = 20_000, 7
A_SECOND, MOST_US = 20_000, 20.0


@dataclass
class Flood:
    """What came of it."""

    seconds: float = 0.0
    kills: int = 0
    size_rolls: int = 0
    day_rolls: int = 0
    written: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        """Records a second."""
        return self.written / self.seconds


class _Child:
    """One name's processes, one after the other, each going on where the last was killed."""

    def __init__(
        self, folder: Path, name: str, last: int, writer: LogWriter, pause_s: float
    ) -> None:
        self.name, self._last, self._writer, self._pause_s = name, last, writer, pause_s
        self._counter = folder / f"counter-{name}"
        self._counter.write_bytes(COUNTER.pack(0))
        self._ended = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def acknowledged(self) -> int:
        number: int = COUNTER.unpack(self._counter.read_bytes())[0]
        return number

    def start(self) -> None:
        self._ended = threading.Event()
        inlet = Inlet(f"btc_ai.{self.name}", on_end=self._ended.set)
        told = (
            inlet.writing,
            self.acknowledged + 1,
            self._last,
            self._counter,
            self.name,
            self._pause_s,
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.log_flooder", *map(str, told)],
            cwd=ROOT, pass_fds=(inlet.writing,),
        )  # fmt: skip
        inlet.close_writing()
        self._writer.follow(inlet)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self._ended.wait(30)

    def is_done(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None and self._ended.wait(30)


def flood(
    folder: Path,
    *,
    processes: int,
    records: int,
    kills: int,
    max_bytes: int,
    days: int,
    pause_s: float = 0.0,
    seed: int = 1,
) -> Flood:
    """Let `processes` log `records` each; so many are killed meanwhile, and so many days pass.

    pause_s: that long they wait after each hundred.
    """
    chance, clock, found = random.Random(seed), _Clock(), Flood()
    rolling = Rolling(max_bytes, "midnight", keep=0)
    writer = LogWriter(folder / "Logs", Layout(), rolling, now=clock)
    children = [
        _Child(folder, f"p{number}", records, writer, pause_s) for number in range(processes)
    ]
    began, total = time.monotonic(), processes * records
    try:
        for child in children:
            child.start()
        marks = [(number + 1) / (kills + days + 1) for number in range(kills + days)]
        chance.shuffle(kinds := [True] * kills + [False] * days)
        while not all(child.is_done() for child in children):
            done = sum(child.acknowledged for child in children) / total
            while marks and done >= marks[0]:
                marks.pop(0)
                if kinds.pop():
                    victim = chance.choice(children)
                    victim.kill()
                    victim.start()
                    found.kills += 1
                else:
                    clock.tomorrow()
                    writer.put(Record(clock(), "INFO", OWN, "a new day"))
                    writer.flush()
            time.sleep(0.002)
        writer.flush()
        found.seconds = time.monotonic() - began
    finally:
        for child in children:
            if child.process is not None:
                child.process.kill()
                child.process.wait()
        writer.close()
    today = date.fromtimestamp(clock()).isoformat()
    return _look(folder / "Logs", found, {child.name: records for child in children}, today)


class _Clock:
    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    def tomorrow(self) -> None:
        self._ahead += 86_400.0


def _look(folder: Path, found: Flood, expected: dict[str, int], today: str) -> Flood:
    """Read the files by hand: every record once, whole, in its process's order."""
    line_of = re.compile(r"[\d:, -]{23} - btc_ai\.(p\d+) - INFO - record who=\1 number=(\d+)")
    seen: dict[str, Counter[int]] = {name: Counter() for name in expected}
    files = all_files(folder, MAIN)
    days = {path.name[len(MAIN) + 1 :][:10] for path in files[:-1]} - {today}
    found.day_rolls, found.size_rolls = len(days), len(files) - 1 - len(days)
    for path in files:
        for line in path.read_text().splitlines():
            if (match := line_of.fullmatch(line)) is None:
                found.torn += [line] if OWN not in line else []
            else:
                seen[match[1]][int(match[2])] += 1
                found.written += 1
    for name, last in expected.items():
        found.lost += [f"{name} {n}" for n in range(1, last + 1) if not seen[name][n]]
    return found


def call_us(log: Callable[[int], None]) -> float:
    """Microseconds of one call: the median of REPEATS times CALLS."""

    def once() -> float:
        began = time.perf_counter()
        for number in range(CALLS):
            log(number)
        return (time.perf_counter() - began) / CALLS * 1e6

    return statistics.median(once() for _ in range(REPEATS))


def own_call_us() -> float:
    """What a record costs that goes into the pipe, which another process empties."""
    reading, writing = os.pipe()
    code = "import os\nwhile os.read(0, 65536): pass"
    with subprocess.Popen([sys.executable, "-c", code], stdin=reading):
        os.close(reading)
        capture(pipe := PipeLog(writing), "INFO")
        log = logger("benchmark")
        try:
            return call_us(
                lambda number: log.info("episode", episode=number, reward=1.25, loss=0.1)
            )
        finally:
            release()
            pipe.close()
            os.close(writing)


def peer_call_us(folder: Path) -> float:
    """What the same record costs with the standard library's file handler."""
    log, handler = logging.getLogger("peer"), logging.FileHandler(folder / "peer.log")
    handler.setFormatter(logging.Formatter(DEFAULT))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    text = "episode episode=%d reward=%s lr=%s"
    try:
        return call_us(lambda number: log.info(text, number, 1.25, 0.1))
    finally:
        log.removeHandler(handler)
        handler.close()


def main() -> None:
    """Measure, and say whether the bars are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="of each of 8 processes")
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        own, peer = own_call_us(), peer_call_us(Path(folder))
        max_bytes = 8 * records * 80 // 60
        found = flood(
            Path(folder), processes=8, records=records, kills=20, max_bytes=max_bytes, days=3
        )
    print(f"a log call: {own:.1f} us, logging.FileHandler {peer:.1f} us, ratio {own / peer:.2f}")
    print(
        f"8 processes x {records} records, {found.kills} killed, {found.size_rolls} rolls by size, "
        f"{found.day_rolls} by date: {found.a_second:.0f} records/s, {len(found.lost)} lost, "
        f"{len(found.torn)} torn"
    )
    sound = not found.lost and not found.torn
    sys.exit(not (sound and found.a_second >= A_SECOND and own < MOST_US))


if __name__ == "__main__":
    main()
