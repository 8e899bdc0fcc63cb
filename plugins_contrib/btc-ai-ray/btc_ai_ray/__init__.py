"""The plugin: an executor named `ray`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from btc_ai.api import hookimpl
from btc_ai.api.executor import Executor

if TYPE_CHECKING:
    from btc_ai.api.executor import ExecutorRegistry

TOKEN = ".ray/auth_token"


def make(workers: int | None, address: str | None) -> Executor:
    """An executor of at most `workers` tasks at once, on the cluster at `address` or on its own."""
    set_up(address)
    from btc_ai_ray.executor import RayExecutor

    return RayExecutor(workers, address)


def set_up(address: str | None) -> None:
    """Tell Ray, before it is imported, to send no statistics and to open no port to the network.

    Where there is a token, a cluster that was started by hand asks for it.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address is None:
        # The only switch with which all of Ray's ports are on the loopback address.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    elif (Path.home() / TOKEN).is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@hookimpl
def btc_ai_executors(registry: "ExecutorRegistry") -> None:
    """Add `ray`."""
    registry.register("ray", make)


plugin = sys.modules[__name__]
