"""Signals to processes that have just ended leave their exit status to asyncio."""

import asyncio
import signal
from asyncio.subprocess import PIPE, create_subprocess_exec

from btc_ai.execution.signals import send_signal

PROCESSES = 40
"""Of so many, `Process.kill` takes the exit status of ten."""


def test_a_process_that_has_just_ended_keeps_its_exit_status() -> None:
    async def code() -> int:
        process = await create_subprocess_exec("sh", "-c", "exec 1>&-; exit 3", stdout=PIPE)
        assert process.stdout is not None
        await process.stdout.read()
        send_signal(process, signal.SIGURG)  # which does nothing to one that has not ended yet
        return await process.wait()

    async def codes() -> set[int]:
        return {await code() for _ in range(PROCESSES)}

    assert asyncio.run(codes()) == {3}


def test_a_process_that_runs_is_ended() -> None:
    async def code() -> int:
        process = await create_subprocess_exec("sleep", "60")
        send_signal(process, signal.SIGKILL)
        return await process.wait()

    assert asyncio.run(code()) == -signal.SIGKILL
