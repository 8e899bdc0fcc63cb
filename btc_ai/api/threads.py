"""Blocking work of a service, beside its event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, from a thread that never keeps its process from ending.

    A library that blocks belongs here; `asyncio.to_thread` would be waited for when the process
    ends. Cancelled, this returns at once and the thread goes on until `work` does. Where `work`
    exits (SystemExit), RuntimeError is raised: a library must not end the process.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: Callable[[], None]) -> None:
        def unless_cancelled() -> None:
            if not outcome.done():
                result()

        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(unless_cancelled)

    def run() -> None:
        try:
            made = work()
        except BaseException as error:  # noqa: BLE001  # a fence: raised again where it is awaited
            caught = _awaitable(error)
            settle(lambda: outcome.set_exception(caught))
        else:
            settle(lambda: outcome.set_result(made))

    threading.Thread(target=run, name="blocking work", daemon=True).start()
    return await outcome


def _awaitable(error: BaseException) -> Exception:
    """What a future can hold, and an event loop survives."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    made = RuntimeError(f"blocking work raised {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
