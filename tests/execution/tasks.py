"""Tasks for the tests of executors."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btc_ai.api.executor import Shared, Task
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import DataError

Body = dict[str, Any]
HERE = "tests.execution.tasks"


def task(key: str, function: str, *needs: str, **arguments: object) -> Task:
    return Task(key, f"{HERE}:{function}", dict(arguments), needs)


def add(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    """A number to the shared one; says where it ran, and adds a line to a file if there is one."""
    if log := arguments.get("log"):
        with Path(log).open("a") as file:
            file.write(f"{arguments['number']}\n")
    return {
        "sum": shared["base"] + arguments["number"],
        "pid": os.getpid(),
        "shared": id(shared["base"]),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def refuse(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    raise DataError("no candles")


def break_down(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    raise ZeroDivisionError("one over none")


def die(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    """Kill the own process, as often as told; then return."""
    place = Path(arguments["folder"])
    deaths = len(list(place.glob("death-*")))
    if deaths < arguments["times"]:
        (place / f"death-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"deaths": deaths}


def last(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    """Tell the own process id in a file; then wait until stopped."""
    place = Path(arguments["folder"], f"{arguments['number']}.pid")
    place.with_suffix(".tmp").write_text(str(os.getpid()))
    place.with_suffix(".tmp").rename(place)
    while not should_stop():
        time.sleep(0.02)
    raise StepStoppedError("stopped")
