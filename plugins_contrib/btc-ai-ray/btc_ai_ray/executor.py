"""An executor over Ray: one Ray task a task, what is shared put once, deaths survived.

A task whose process or node dies is started again elsewhere by Ray, `RETRIES` times. The tasks are
idempotent, so that running one twice does no harm; what it had saved is taken up.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from btc_ai.api.errors import BtcAiError, UsageError
from btc_ai.api.executor import Done, Schedule, Shared, Task, attempt
from btc_ai.api.step import StepStoppedError, unexpected

RETRIES = 3
LOOK_S = 0.2
REACH_S = 5.0

_log = logging.getLogger(__name__)


class RayExecutor:
    """Runs tasks on the cluster at `address`, or on one of its own on this machine.

    workers: tasks at once; None: as many as the cluster has free cores. Every task takes one core.
    `btc_ai_ray.set_up` comes first, before this module is imported.
    """

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """Nothing is started yet. Raises UsageError for fewer than one worker."""
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers can do nothing; give at least 1")
        self._workers, self._address = workers, address

    def run(
        self, tasks: Sequence[Task], shared: Shared, should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        """Run them all; see `btc_ai.api.executor.Executor`."""
        schedule, running = Schedule(tasks), dict[Any, Task]()
        with self._connected():
            remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_run)
            put = ray.put(dict(shared))
            try:
                while schedule.active:
                    while self._has_room(running) and (task := schedule.next()) is not None:
                        running[remote.remote(task, put)] = task
                    ended, _ = ray.wait(list(running), timeout=LOOK_S) if running else ([], [])
                    for reference in ended:
                        schedule.end(_outcome(running.pop(reference), reference))
                    yield from schedule.ended()
                    if should_stop():
                        raise StepStoppedError("stopped; what is finished is kept")
            finally:
                for reference in running:
                    ray.cancel(reference, force=True)

    def _has_room(self, running: dict[Any, Task]) -> bool:
        return self._workers is None or len(running) < self._workers

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Join the cluster, or start one; leave it, or end it."""
        own = {} if self._address else {"num_cpus": self._workers, "include_dashboard": False}
        try:
            _reach(self._address)
            ray.init(
                address=self._address or "local", log_to_driver=False, logging_level="ERROR", **own
            )
        except (OSError, ValueError, RuntimeError, RayError) as error:
            at = f"at {self._address}" if self._address else "on this machine"
            raise BtcAiError(
                f"Ray {at} cannot be used: {str(error).strip()[:500]}. `ray status` shows whether "
                "a cluster runs; leave --address out for one on this machine"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


def _reach(address: str | None) -> None:
    """Raise OSError where nobody listens at `host:port`; Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), REACH_S).close()


def _run(task: Task, shared: Shared) -> Done:
    """What a Ray worker does."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before the task imports torch
    return attempt(task, shared, lambda: False)


def _outcome(task: Task, reference: Any) -> Done:
    try:
        done: Done = ray.get(reference)
    except RayTaskError as error:
        _log.error("task %s failed on a node: %s", task.key, error)  # with the node's traceback
        return Done(task.key, error=f"it failed on a node: {unexpected(error.cause)}")
    except RayError as error:
        return Done(
            task.key,
            error=f"its process or node died {RETRIES + 1} times ({type(error).__name__}); where "
            "memory is short, use fewer --workers",
        )
    return done
