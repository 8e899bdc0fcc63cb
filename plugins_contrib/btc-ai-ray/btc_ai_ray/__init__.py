"""The plugin: an executor named `ray`."""

import sys
from typing import TYPE_CHECKING

from btc_ai.api import hookimpl
from btc_ai.api.executor import Executor

if TYPE_CHECKING:
    from btc_ai.api.executor import ExecutorRegistry


def make(workers: int | None, address: str | None) -> Executor:
    """An executor of at most `workers` tasks at once; Ray is imported with the first one."""
    from btc_ai_ray.executor import RayExecutor

    return RayExecutor(workers, address)


@hookimpl
def btc_ai_executors(registry: "ExecutorRegistry") -> None:
    """Add `ray`."""
    registry.register("ray", make)


plugin = sys.modules[__name__]
