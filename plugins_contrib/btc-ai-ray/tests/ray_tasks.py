"""Tasks for the tests; the nodes find them by PYTHONPATH."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btc_ai.errors import DataError

Body = dict[str, Any]
Stop = Callable[[], bool]


def add(arguments: Body, shared: Body, should_stop: Stop) -> Body:
    return {"sum": shared["base"] + arguments["number"]}


def refuse(arguments: Body, shared: Body, should_stop: Stop) -> Body:
    raise DataError("no candles")


def break_down(arguments: Body, shared: Body, should_stop: Stop) -> Body:
    raise ZeroDivisionError("one over none")


def die(arguments: Body, shared: Body, should_stop: Stop) -> Body:
    """Kill the own process, as often as told; then return."""
    place = Path(arguments["folder"])
    deaths = len(list(place.glob("death-*")))
    if deaths < arguments["times"]:
        (place / f"death-{deaths}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"deaths": deaths}


def listening(arguments: Body, shared: Body, should_stop: Stop) -> Body:
    """How many ports are open on the loopback address, and which beyond it (proc(5))."""
    lines = [
        line.split()
        for file in ("tcp", "tcp6")
        for line in Path("/proc/net", file).read_text().splitlines()[1:]
    ]
    places = [line[1] for line in lines if line[3] == "0A"]
    own = [place for place in places if place.partition(":")[0].endswith(("0100007F", "01000000"))]
    return {"loopback": len(own), "beyond": sorted(set(places) - set(own))}
