"""Is the running daemon of this version and configuration, and what has it logged?"""

import time
from collections.abc import Iterator
from pathlib import Path

from btc_ai import __version__
from btc_ai.cli.doctor.findings import Finding, Look, ok, warning

LATELY_S = 24 * 3600.0
TAIL = 1 << 18
STAMP = "%Y-%m-%d %H:%M:%S"


def daemon(look: Look) -> Iterator[Finding]:
    """It runs with this version and this configuration, and none of its workers is stalled."""
    found = look.daemon
    if found is None:
        yield ok("none runs; `btc-ai train` starts one", look.here.runtime)
        return
    where, sound = f"process {found['pid']}", True
    if found["version"] != __version__:
        text = f"the daemon is of version {found['version']}, this is {__version__}"
        yield warning(text, where, todo="`btc-ai daemon restart`; runs go on")
        sound = False
    own, its = look.here.config_file, found["config_file"]
    if (Path(its) if its else None) != own:
        text = f"the daemon runs with {its or 'the defaults'}, not with {own or 'the defaults'}"
        yield warning(text, where, todo="`btc-ai daemon restart`, or name the other with --config")
        sound = False
    for worker in found.get("workers", ()):
        if worker["state"] == "stalled":
            text = f"the worker {worker['name']} has been silent for {worker['silent_s']:.0f} s"
            yield warning(text, f"process {worker['pid']}", todo="see its log; it may be at work")
            sound = False
    if sound:
        yield ok(f"version {found['version']} runs, with this configuration", where)


def errors(look: Look) -> Iterator[Finding]:
    """Nothing of level ERROR was logged in the last day."""
    path = look.config.LOG_DIR / "error.log"
    if path.is_file() and path.stat().st_size and not _is_dated(look.config.LOGGING.LOG_FORMAT):
        text = "cannot tell of when its errors are: LOGGING.LOG_FORMAT does not begin with the date"
        yield warning(text, path, todo="read it by hand, or let it begin with %(asctime)s")
        return
    lines = _records(path)
    since = time.strftime(STAMP, time.localtime(time.time() - LATELY_S))
    late = [line for line in lines if line[: len(since)] >= since]
    if late:
        text = f"{len(late)} errors in the last 24 hours; the last: {late[-1][:200]}"
        yield warning(text, path, todo="read them, with what stands before them in btc_ai.log")
    else:
        yield ok("no errors in the last 24 hours", path)


def _records(path: Path) -> list[str]:
    """The records at the end of a log that begin with date and time, as LOG_FORMAT has them."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if _is_stamped(line)]


def _is_dated(layout: str) -> bool:
    return layout == "json" or layout.startswith("%(asctime)s")


def _is_stamped(line: str) -> bool:
    try:
        time.strptime(line[:19], STAMP)
    except ValueError:
        return False
    return True
