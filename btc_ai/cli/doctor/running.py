"""Is the running daemon of this version and configuration, and what has it logged?"""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from btc_ai import __version__
from btc_ai.cli.doctor.findings import Finding, Look, ok, warning
from btc_ai.logs.files import ERRORS
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Reader

LATELY_S = 24 * 3600.0


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
    folder, layout = look.config.LOG_DIR, Layout(look.config.LOGGING.LOG_FORMAT)
    path, since = folder / ERRORS, time.time() - LATELY_S
    try:
        log = open_log(folder, ERRORS, since)
    except OSError as error:
        yield warning(f"cannot be read: {error.strerror}", folder, todo="mend its permissions")
        return
    query = Query(since=since if layout.has_time else None)
    with closing(log):
        late = [one.text for one in Search(log, Reader(layout), query).all()]
    for problem in log.problems:
        yield warning(problem, path, todo="mend its permissions, or remove it")
    if late and not layout.has_time:
        text = "cannot tell of when its errors are: LOGGING.LOG_FORMAT does not say"
        yield warning(text, path, todo="read it by hand, or add %(asctime)s to LOG_FORMAT")
    elif late:
        last = late[-1].partition("\n")[0][:200]
        text = f"{len(late)} errors in the last 24 hours; the last: {last}"
        yield warning(text, path, todo="`btc-ai logs --explain --source error --days 1`")
    else:
        yield ok("no errors in the last 24 hours", path)
