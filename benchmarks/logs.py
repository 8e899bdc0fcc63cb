"""The logs: finding errors beside ripgrep, and how soon a record is shown that is followed.

`python -m benchmarks.logs`
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from btc_ai.logs.files import MAIN
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Reader
from btc_ai.logs.record import Record

ROUNDS = 5
DAYS, A_DAY = 7, 142_858
ERRORS, TRACED = 0.01, 0.3
PATTERN = " - (ERROR|CRITICAL) - "
FOLLOWED = 40
TRACE = "Traceback (most recent call last):\n  File x, line 3, in f\nValueError: bad value 3"
MOST, MOST_MB, MOST_S = 2.5, 100.0, 0.2
COMMAND = [sys.executable, "-m", "btc_ai.cli.app"]


def write_logs(folder: Path) -> None:
    """A million records of seven days, about one in a hundred an error."""
    chance, layout, now = random.Random(1), Layout(), time.time()
    words = ("step", "episode", "reward", "loss", "win", "bucket", "progress", "saved", "worker")
    for day in range(DAYS):
        start = now - (DAYS - day) * 86_400 + 60
        last = day == DAYS - 1
        name = MAIN if last else f"{MAIN}.{time.strftime('%Y-%m-%d', time.localtime(start))}"
        with (folder / name).open("w") as file:
            for number in range(A_DAY):
                level = chance.choices(
                    ("CRITICAL", "ERROR", "WARNING", "INFO"), (1, 1000 * ERRORS - 1, 40, 949)
                )[0]
                failed = level in ("ERROR", "CRITICAL") and chance.random() < TRACED
                logger = f"btc_ai.{chance.choice(('training', 'daemon', 'evaluation'))}"
                text = " ".join(chance.choices(words, k=6))
                bound = {"n": number, "run": f"r{number % 50:04}"}
                when = start + number * 86_300 / A_DAY
                record = Record(when, level, logger, text, bound, TRACE if failed else "")
                file.write(f"{layout.write(record)}\n")


def measured(command: list[str], config: Path, output: Path) -> tuple[float, float]:
    """Wall time and peak memory (MB) of one command whose output goes into a file."""
    begun = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment(config), stdout=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def environment(config: Path) -> dict[str, str]:
    """Of a command with this configuration."""
    return os.environ | {"BTC_AI_CONFIG": str(config)}


def configured(folder: Path) -> Path:
    """A configuration, beside the folder, with that as LOG_DIR."""
    folder.mkdir()
    config = folder.with_suffix(".json")
    config.write_text(json.dumps({"LOG_DIR": str(folder)}))
    return config


def finding(folder: Path, config: Path) -> tuple[str, bool]:
    """`btc-ai logs --level ERROR --days 7` against ripgrep and its own start, taken in turn."""
    if (ripgrep := shutil.which("rg")) is None:
        return "finding errors: not measured, for ripgrep (rg) is not installed", False
    empty = configured(folder.with_name("Empty"))
    empty.with_suffix("").joinpath(MAIN).touch()
    files = sorted(str(path) for path in folder.glob(f"{MAIN}*"))
    ours = [*COMMAND, "--quiet", "logs", "--level", "ERROR", "--days", str(DAYS)]
    commands = (([ripgrep, PATTERN, *files], config), (ours, empty), (ours, config))
    found = folder.with_name("found")
    rounds = [[measured(*one, found) for one in commands] for _ in range(ROUNDS)]
    same = found.read_text() == every_line(folder)
    (rg, _), (start, _), (own, peak) = (
        (statistics.median(times), max(peaks))
        for times, peaks in (zip(*each, strict=True) for each in zip(*rounds, strict=True))
    )
    ratio = own / (rg + start)
    return (
        f"errors of {DAYS * A_DAY:,} records: {own:.2f} s; ripgrep {rg:.2f} s, start of btc-ai "
        f"{start:.2f} s: {ratio:.2f} of both together (at most {MOST}); without the start "
        f"{(own - start) / rg:.1f} of ripgrep; {peak:.0f} MB; "
        f"{'identical to' if same else 'NOT IDENTICAL TO'} reading every line"
    ), ratio <= MOST and peak < MOST_MB and same


def every_line(folder: Path) -> str:
    """The same errors, by reading each line of each file."""
    query = Query(lowest=40, since=time.time() - DAYS * 86_400)
    with closing(open_log(folder, MAIN)) as log:
        entries = Search(log, Reader(Layout()), Query()).all()
        return "".join(f"{one.text}\n" for one in entries if query.accepts(one))


def following(folder: Path, config: Path) -> tuple[str, bool]:
    """From the writing of a record until a `btc-ai logs --follow` has shown it."""
    log, delays = folder / MAIN, list[float]()
    command = [*COMMAND, "logs", "--follow", "--lines", "1"]
    process = subprocess.Popen(command, env=environment(config), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        for number in range(FOLLOWED):
            time.sleep(random.Random(number).uniform(0.1, 0.2))
            line = Layout().write(Record(time.time(), "INFO", "btc_ai.x", "followed"))
            if number % 10 == 9:
                log.rename(f"{log}.2999-01-01.{number}")
            begun = time.perf_counter()
            with log.open("a") as file:
                file.write(f"{line}\n")
            process.stdout.readline()
            delays.append(time.perf_counter() - begun)
    finally:
        process.kill()
        process.wait()
    return (
        f"a followed record is shown after {statistics.median(delays) * 1000:.0f} ms (median of "
        f"{FOLLOWED}, {max(delays) * 1000:.0f} ms at most; bar {MOST_S * 1000:.0f} ms), "
        "rotation included"
    ), max(delays) <= MOST_S


MEASUREMENTS: tuple[Callable[[Path, Path], tuple[str, bool]], ...] = (finding, following)
"""Each takes the folder of logs and a configuration; says what it found, and if that is well."""


def main() -> int:
    """Measure; exit status 1 where a bar was missed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "Logs"
        config = configured(folder)
        write_logs(folder)
        found = [measure(folder, config) for measure in MEASUREMENTS]
    print("\n".join(text for text, _ in found))
    return 0 if all(ok for _, ok in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
