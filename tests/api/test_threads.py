import asyncio
import subprocess
import sys
import threading

import pytest

from btc_ai.api.threads import in_thread


def test_gives_what_the_work_gives_and_raises_what_it_raises() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def run() -> tuple[int, str]:
        with pytest.raises(ValueError, match="no"):
            await in_thread(fail)
        return await in_thread(threading.get_ident), threading.current_thread().name

    ident, name = asyncio.run(run())
    assert ident != threading.get_ident()
    assert name == threading.current_thread().name


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration()])
def test_work_that_exits_is_an_error_and_no_exit(error: BaseException) -> None:
    def leave() -> None:
        raise error

    async def run() -> None:
        async with asyncio.timeout(30):
            await in_thread(leave)

    with pytest.raises(RuntimeError, match=type(error).__name__):
        asyncio.run(run())


def test_work_that_never_ends_keeps_no_process_alive() -> None:
    code = """
import asyncio, threading
from btc_ai.api.threads import in_thread

async def run():
    try:
        async with asyncio.timeout(0.05):
            await in_thread(threading.Event().wait)
    except TimeoutError:
        print("given up")

asyncio.run(run())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "given up\n"
