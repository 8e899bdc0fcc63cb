"""Workers that fall silent, die of something, or die at awkward moments."""

import asyncio
import errno
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.service import Health
from btc_ai.api.step import StepStoppedError, WorkerFailedError
from btc_ai.config import Supervision
from btc_ai.daemon.children.deaths import OomWatch, Tally, cause_of
from btc_ai.daemon.children.workers import ProcessWorker, StepError
from tests.daemon.children.test_workers import STEPS, ignore, on_floor
from tests.daemon.conftest import Floor, alive, children, descriptors, until, wait_for_end

Body = dict[str, Any]


def supervised(here: Floor, **limits: Any) -> tuple[ProcessWorker, list[Health]]:
    told: list[Health] = []
    return here.worker(limits=Supervision(**limits), on_health=told.append), told


def test_a_silent_worker_is_stalled_not_killed_and_speaks_again(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, told = supervised(here, STALLED_AFTER=0.3)
        arguments = {"seconds": 1.5, "then": 0.1}
        running = asyncio.create_task(worker.run(f"{STEPS}:quiet", arguments, ignore))
        await until(lambda: worker.as_body()["state"] == "stalled")
        assert worker.as_body()["silent_s"] >= 0.3
        pid = worker.pid
        assert (await running)["pid"] == pid
        assert [one.state for one in told] == ["stalled", "running"]
        assert here.log.of("warning") == ["worker is stalled"]
        assert worker.as_body() == {
            "name": "worker", "pid": pid, "state": "idle", "silent_s": 0.0, "deaths": {},
        }  # fmt: skip

    on_floor(runtime, work)


def test_to_ask_whether_to_stop_is_a_sign_of_life(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, told = supervised(here, STALLED_AFTER=2)
        await worker.run(f"{STEPS}:quiet", {"seconds": 5, "asks": True}, ignore)
        assert told == []

    on_floor(runtime, work)


def test_a_stopped_process_is_stalled_until_it_goes_on(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, told = supervised(here, STALLED_AFTER=1)
        running = asyncio.create_task(worker.run(f"{STEPS}:until_stopped", {}, ignore))
        await until(lambda: worker.as_body()["state"] == "running" and worker.pid)
        assert worker.pid is not None
        await asyncio.sleep(0.3)
        os.kill(worker.pid, signal.SIGSTOP)
        await until(lambda: [one.state for one in told] == ["stalled"])
        os.kill(worker.pid, signal.SIGCONT)
        await until(lambda: [one.state for one in told] == ["stalled", "running"])
        await worker.stop()
        with pytest.raises(StepStoppedError):
            await running

    on_floor(runtime, work)


def test_who_is_silent_too_long_is_killed_and_tallied(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, told = supervised(here, STALLED_AFTER=0.1, KILL_STALLED_AFTER=0.3)
        with pytest.raises(WorkerFailedError, match=r"5 × silent for 0\.3 s"):
            await worker.run(f"{STEPS}:quiet", {"seconds": 60}, ignore)
        assert [one.state for one in told] == ["stalled", "restarting"] * 4 + ["stalled", "failed"]
        assert {one.cause for one in told if one.cause} == {"silent for 0.3 s"}
        assert worker.as_body()["deaths"] == {"silent for 0.3 s": 5}

    on_floor(runtime, work)


def test_a_listener_of_health_that_fails_harms_nobody(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        def fail(health: Health) -> None:
            raise KeyError("a bug")

        worker = here.worker(on_health=fail)
        with pytest.raises(WorkerFailedError):
            await worker.run(f"{STEPS}:leave", {}, ignore)
        assert here.log.of("error") == ["a worker's health could not be taken"] * 5

    on_floor(runtime, work)


def test_a_worker_beyond_its_memory_fails_its_step_and_lives(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, told = supervised(here, WORKER_MEMORY_MB=256)
        with pytest.raises(StepError, match=r"256 MiB that SUPERVISION.WORKER_MEMORY_MB") as caught:
            await worker.run(f"{STEPS}:allocate", {"mb": 400}, ignore)
        assert caught.value.code == "memory"
        assert (await worker.run(f"{STEPS}:allocate", {"mb": 50}, ignore))["mb"] == 50
        assert told == []
        with pytest.raises(WorkerFailedError, match=r"5 × memory limit of 256 MiB \(signal SIGAB"):
            await worker.run(f"{STEPS}:abort_for_want_of_memory", {"mb": 400}, ignore)

    on_floor(runtime, work)


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group that may hold 96 MiB."""
    root = Path("/sys/fs/cgroup")
    first = (root / "cgroup.controllers").is_file()
    folder = (root if first else root / "memory") / f"btc-ai-test-{os.getpid()}"
    names = ("memory.max",) if first else ("memory.limit_in_bytes",)
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        for name in names:
            try:
                (folder / name).write_text(str(96 << 20))
            except OSError as error:
                pytest.skip(f"the control group cannot be limited: {error}")
        yield folder
    finally:
        folder.rmdir()


def test_the_kernels_oom_killer_is_named(runtime: Path, small_group: Path) -> None:
    async def work(here: Floor) -> None:
        arguments = {"group": str(small_group), "mb": 500}
        with pytest.raises(WorkerFailedError, match="5 × out of memory"):
            await here.worker().run(f"{STEPS}:join_group", arguments, ignore)

    on_floor(runtime, work)


def test_only_a_recent_rise_of_the_count_explains_a_sigkill(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("4:memory:/a\n0::/b\n")
    group = tmp_path / "unified/b"
    group.mkdir(parents=True)
    (tmp_path / "vmstat").write_text("pgpgin 3\noom_kill 7\n")
    (group / "memory.events").write_text("oom 1\noom_kill 1\n")
    watch = OomWatch(tmp_path, tmp_path)
    assert cause_of(-9, oom=watch) == "signal SIGKILL"
    (group / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert cause_of(-9, oom=watch) == "out of memory (the kernel killed it)"
    assert cause_of(-11, oom=watch) == "signal SIGSEGV"
    assert cause_of(-9, oom=watch, ours="silent for 3 s") == "silent for 3 s"
    watch.look()
    assert watch.struck()
    watch.look()
    assert not watch.struck()
    watch.begin()
    (tmp_path / "vmstat").write_text("oom_kill 8\n")
    assert watch.struck()


def test_causes_in_words() -> None:
    assert cause_of(0) == "exit code 0"
    assert cause_of(-40) == "signal 40"
    assert cause_of(1, memory_mb=300, last_words="…\nMemoryError") == (
        "memory limit of 300 MiB (exit code 1)"
    )
    assert cause_of(1, memory_mb=300, last_words="KeyError") == "exit code 1"
    assert cause_of(1, last_words="MemoryError") == "exit code 1"


def test_a_tally_of_something_else_says_so() -> None:
    tally = Tally(what="plugin hello", remedy="mend it")
    for _ in range(4):
        tally.record("exit code 1")
    with pytest.raises(WorkerFailedError, match=r"the plugin hello died too often .* mend it"):
        tally.record("exit code 1")


def test_grandchildren_in_sessions_of_their_own_are_ended(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        heard: list[Body] = []
        with pytest.raises(WorkerFailedError):
            await here.worker().run(f"{STEPS}:leave_a_session", {}, heard.append)
        assert len(heard) == 5
        for body in heard:
            wait_for_end(body["pid"])

    on_floor(runtime, work)


def test_killed_with_its_stderr_full(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, heard = here.worker(), list[Body]()
        running = asyncio.create_task(worker.run(f"{STEPS}:fill_stderr_for_ever", {}, heard.append))
        await until(lambda: heard)
        flooded = "worker wrote too much; lines dropped"
        await until(lambda: flooded in here.log.of("warning"), 60)
        await worker.close()
        with pytest.raises(StepStoppedError):
            await running

    on_floor(runtime, work)


async def _stop(worker: ProcessWorker, chance: random.Random) -> None:
    """Stop it, and kill it while it stops."""
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(chance.uniform(0, 0.05))
    await _kill(worker, chance)
    await stopping


async def _close(worker: ProcessWorker, chance: random.Random) -> None:
    """End it, and kill it while it ends."""
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(chance.uniform(0, 0.05))
    await _kill(worker, chance)
    await closing


async def _kill(worker: ProcessWorker, chance: random.Random) -> None:
    if worker.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("act", [_kill, _stop, _close])
def test_nothing_is_left_whenever_it_happens(
    runtime: Path, act: Callable[[ProcessWorker, random.Random], Any]
) -> None:
    """Before the process is made, in its start-up, in its step, and between."""

    async def work(here: Floor) -> None:
        chance = random.Random(3)

        async def cycle(wait_s: float) -> None:
            worker = here.worker(limit_s=1.0)
            running = asyncio.create_task(worker.run(f"{STEPS}:until_stopped", {}, ignore))
            await asyncio.sleep(wait_s)
            await act(worker, chance)
            await worker.close()
            await asyncio.wait({running})
            assert isinstance(running.exception(), StepStoppedError)
            assert worker.pid is None and worker.ended
            here.workers.clear()

        await cycle(1.0)
        before = descriptors()
        for number in range(16):
            await cycle(number * number * 0.004)  # 0 … 0.9 s: start-up takes about 0.4
        await until(lambda: descriptors() <= before, 30)
        assert children() == []

    on_floor(runtime, work)


def test_whoever_asked_is_cancelled_while_the_process_is_made(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        for wait_s in (0, 0.001, 0.01, 0.1):
            worker = here.worker(term_limit_s=0.3)
            running = asyncio.create_task(worker.run(f"{STEPS}:until_stopped", {}, ignore))
            await asyncio.sleep(wait_s)
            running.cancel()
            await asyncio.wait({running})
            await worker.close()
            assert worker.ended and children() == []

    on_floor(runtime, work)


def test_without_descriptors_it_says_so_at_once(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(here: Floor) -> None:
        def no_more() -> tuple[int, int]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(os, "pipe", no_more)
        with pytest.raises(WorkerFailedError, match="cannot be started"):
            await here.worker().run(f"{STEPS}:double", {"value": 1}, ignore)

    on_floor(runtime, work)


def test_a_start_that_takes_too_long_leaves_nothing(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter hangs before it gets to the worker."""
    hanging = runtime / "python"
    hanging.write_text(f"#!/bin/sh\necho $$ > {runtime}/pid\nsleep 60 & wait\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))

    async def work(here: Floor) -> None:
        with pytest.raises(WorkerFailedError, match=r"5 × not ready within 0\.5 s"):
            await here.worker(start_limit_s=0.5).run(f"{STEPS}:double", {"value": 1}, ignore)
        assert not alive(int((runtime / "pid").read_text()))

    on_floor(runtime, work)
