import asyncio
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars

from btc_ai.api.step import StepStoppedError, WorkerFailedError
from btc_ai.daemon.children.deaths import Tally
from btc_ai.daemon.children.workers import StepError
from tests.daemon.conftest import (
    REPOSITORY,
    Floor,
    alive,
    children,
    descriptors,
    floor,
    until,
    wait_for_end,
)

Body = dict[str, Any]
STEPS = "tests.daemon.steps"


def on_floor(runtime: Path, work: Callable[[Floor], Awaitable[None]]) -> None:
    async def run() -> None:
        async with floor(runtime) as made:
            await work(made)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert children() == []


def ignore(body: Body) -> None:
    return None


def test_results_progress_and_errors(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, heard = here.worker(), list[Body]()
        first = await worker.run(f"{STEPS}:double", {"value": 4}, ignore)
        assert first["value"] == 8
        await worker.run(f"{STEPS}:count", {"n": 500}, heard.append)
        assert [body["number"] for body in heard] == list(range(500))
        expected = {
            "refuse": ("training", "too few candles"),
            "fault": ("internal", "ValueError: a bug"),
            "shout": ("internal", "xxx"),
            "wrong_result": ("bad_frame", "body"),
            "nan_result": ("bad_frame", "finite"),
            "no_such_step": ("plugin", "no_such_step"),
        }
        for name, (code, message) in expected.items():
            with pytest.raises(StepError) as caught:
                await worker.run(f"{STEPS}:{name}", {}, ignore)
            assert (caught.value.code, message in str(caught.value)) == (code, True), name
        for function in ("no.such.module:x", "", "os", ":", "os:no.such"):
            with pytest.raises(StepError) as caught:
                await worker.run(function, {}, ignore)
            assert caught.value.code == "plugin", function
        last = await worker.run(f"{STEPS}:double", {"value": 1}, ignore)
        assert last["pid"] == first["pid"] == worker.pid
        failed = [one for one in here.written() if one["message"] == "step failed"]
        assert {one["level"] for one in failed} == {"ERROR"}

    on_floor(runtime, work)


def test_steps_in_quick_succession_are_never_lost(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        for number in range(2000):
            done = await worker.run(f"{STEPS}:double", {"value": number}, ignore)
            assert done["value"] == 2 * number

    on_floor(runtime, work)


@pytest.mark.parametrize("wait_s", [0, 0.01, 0.1, None])
def test_the_answer_to_a_cancelled_step_is_nobodys(runtime: Path, wait_s: float | None) -> None:
    """Cancelled while the process is made, while it starts, or (None) in the step."""

    async def work(here: Floor) -> None:
        worker, heard = here.worker(), list[Body]()
        asked = worker.run(f"{STEPS}:quiet", {"seconds": 0.2, "then": 0.2}, heard.append)
        running = asyncio.create_task(asked)
        await (until(lambda: heard) if wait_s is None else asyncio.sleep(wait_s))
        running.cancel()
        for value in (1, 2):
            done = await worker.run(f"{STEPS}:double", {"value": value}, ignore)
            assert done["value"] == 2 * value
        assert running.cancelled()
        assert done["pid"] != (heard[0]["pid"] if heard else None)
        assert worker.as_body()["deaths"] == {}

    on_floor(runtime, work)


def test_steps_asked_for_at_once_take_turns(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        asked = [worker.run(f"{STEPS}:double", {"value": one}, ignore) for one in range(5)]
        assert [one["value"] for one in await asyncio.gather(*asked)] == [0, 2, 4, 6, 8]

    on_floor(runtime, work)


def test_killed_mid_step(runtime: Path, tmp_path: Path) -> None:
    async def work(here: Floor) -> None:
        heard: list[Body] = []
        arguments = {"file": str(tmp_path / "tries")}
        result = await here.worker().run(f"{STEPS}:die_at_first", arguments, heard.append)
        assert result == {"tries": 2}
        assert [(one["try"], one["number"]) for one in heard] == [
            *((1, number) for number in range(3)), *((2, number) for number in range(5)),
        ]  # fmt: skip
        assert here.log.of("warning") == ["worker died; restarting it"]
        assert here.log.kept[1][2]["cause"] == "signal SIGKILL"

    on_floor(runtime, work)


def test_killed_between_steps(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        first = await worker.run(f"{STEPS}:double", {"value": 1}, ignore)
        os.kill(first["pid"], signal.SIGKILL)
        second = await worker.run(f"{STEPS}:double", {"value": 2}, ignore)
        assert second["value"] == 4 and second["pid"] != first["pid"]

    on_floor(runtime, work)


@pytest.mark.parametrize(
    ("step", "causes"),
    [
        ("leave", ["5 × exit code 7"]),
        ("crash", ["5 × signal SIGSEGV"]),
        ("mixed_deaths", ["3 × exit code 7", "2 × signal SIGSEGV"]),
    ],
)
def test_too_many_deaths(runtime: Path, tmp_path: Path, step: str, causes: list[str]) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        with pytest.raises(WorkerFailedError) as caught:
            await worker.run(f"{STEPS}:{step}", {"file": str(tmp_path / "tries")}, ignore)
        assert all(cause in str(caught.value) for cause in causes)
        assert (await worker.run(f"{STEPS}:double", {"value": 1}, ignore))["value"] == 2

    on_floor(runtime, work)


def test_tally_backs_off() -> None:
    tally = Tally()
    assert [tally.record("x") for _ in range(4)] == [0.5, 1, 2, 4]
    with pytest.raises(WorkerFailedError):
        tally.record("x")


def test_tally_counts_deaths_without_progress_however_far_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr("btc_ai.daemon.children.deaths.time.monotonic", lambda: float(next(clock)))
    tally = Tally()
    for _ in range(10):
        tally.record("x")
        tally.progressed()
    for _ in range(4):
        tally.record("x")
    with pytest.raises(WorkerFailedError):
        tally.record("x")


def test_worker_that_cannot_start(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(here: Floor) -> None:
        monkeypatch.setattr(sys, "executable", str(runtime / "no-python"))
        with pytest.raises(WorkerFailedError, match="5 × cannot be started"):
            await here.worker().run(f"{STEPS}:double", {"value": 1}, ignore)
        monkeypatch.undo()
        with pytest.raises(WorkerFailedError, match="not ready within"):
            await here.worker(start_limit_s=0.001).run(f"{STEPS}:double", {"value": 1}, ignore)

    on_floor(runtime, work)


async def interrupted(here: Floor, step: str, arguments: Body, **limits: float) -> tuple[int, Body]:
    """Begin a step, stop the worker once it runs; its pid and how long that took."""
    worker, heard = here.worker(**limits), list[Body]()
    running = asyncio.create_task(worker.run(f"{STEPS}:{step}", arguments, heard.append))
    await until(lambda: heard)
    began = time.monotonic()
    await worker.stop()
    with pytest.raises(StepStoppedError):
        await running
    return heard[0]["pid"], {"seconds": time.monotonic() - began}


def test_stop_by_message(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        pid, took = await interrupted(here, "until_stopped", {})
        assert took["seconds"] < 2 and not alive(pid)
        assert "worker does not end; killing it" not in here.log.of("warning")

    on_floor(runtime, work)


def test_stop_by_sigterm_then_sigkill(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        pid, took = await interrupted(here, "deaf", {}, limit_s=0.2)
        assert took["seconds"] < 2.2 and not alive(pid)
        assert here.log.of("warning") == []
        limits = {"limit_s": 0.2, "term_limit_s": 0.3}
        pid, took = await interrupted(here, "deaf", {"to_term": True}, **limits)
        assert 0.5 <= took["seconds"] < 2 and not alive(pid)
        assert here.log.of("warning") == ["worker does not end; killing it"]

    on_floor(runtime, work)


def test_stop_while_it_starts_and_after(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        running = asyncio.create_task(worker.run(f"{STEPS}:until_stopped", {}, ignore))
        await until(lambda: worker.pid)
        await worker.stop()
        with pytest.raises(StepStoppedError):
            await running
        with pytest.raises(StepStoppedError):
            await worker.run(f"{STEPS}:double", {"value": 1}, ignore)
        assert worker.pid is None

    on_floor(runtime, work)


def test_closed_worker_is_not_restarted(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker, heard = here.worker(term_limit_s=0.2), list[Body]()
        running = asyncio.create_task(worker.run(f"{STEPS}:deaf", {"to_term": 1}, heard.append))
        await until(lambda: heard)
        await worker.close()
        with pytest.raises(StepStoppedError):
            await running
        assert worker.pid is None

    on_floor(runtime, work)


def test_listener_that_fails_harms_nobody(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        heard: list[Body] = []

        def fail(body: Body) -> None:
            heard.append(body)
            raise KeyError("a bug")

        assert await worker.run(f"{STEPS}:count", {"n": 3}, fail) == {}
        assert len(heard) == 3
        assert here.log.of("error") == ["progress could not be taken"] * 3

    on_floor(runtime, work)


def test_log_lines(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        with bound_contextvars(run="r1", bucket="Long"):
            await worker.run(f"{STEPS}:log", {}, ignore)
        await worker.close()
        found = {one["message"]: one for one in here.written()}
        assert found["epoch ends"]["epoch"] == 3 and found["clipped"]["share"] == 0.5
        assert found["clipped"]["level"] == "WARNING"
        assert "ValueError: inner" in found["went wrong"]["trace"]
        for one in found.values():
            bound = {key: one[key] for key in ("logger", "run", "bucket", "plugin", "worker")}
            assert list(bound.values()) == ["btc_ai.worker", "r1", "Long", "worker", "worker"]
        assert ("warning", "worker wrote", {"text": "plain text"}) in here.log.kept
        assert len([one for one in here.log.of("warning") if one == "worker wrote"]) >= 5

    on_floor(runtime, work)


def test_flood_of_output(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        worker = here.worker()
        tracemalloc.start()
        try:
            await worker.run(f"{STEPS}:flood", {}, ignore)
            await worker.close()
            assert tracemalloc.get_traced_memory()[1] < 24 << 20
        finally:
            tracemalloc.stop()
        texts = [values["text"] for _, event, values in here.log.kept if event == "worker wrote"]
        dropped = [
            values["lines"] for _, event, values in here.log.kept if event.endswith("lines dropped")
        ]
        assert max(map(len, texts), default=0) <= 16_384
        assert len(texts) < 12_000
        assert len(texts) + sum(dropped) in (20_002, 20_001)

    on_floor(runtime, work)


def test_a_steps_own_children_do_not_hide_its_death(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        heard: list[Body] = []
        with pytest.raises(WorkerFailedError):
            await here.worker().run(f"{STEPS}:leave_a_child", {}, heard.append)
        for body in heard:
            wait_for_end(body["pid"])

    on_floor(runtime, work)


@pytest.mark.slow
@pytest.mark.soak
def test_nothing_leaks(runtime: Path) -> None:
    async def work(here: Floor) -> None:
        async def cycle() -> None:
            worker = here.worker()
            await worker.run(f"{STEPS}:double", {"value": 1}, ignore)
            await worker.close()
            here.workers.clear()

        await cycle()
        await asyncio.sleep(0.1)
        before = descriptors()
        for _ in range(20):
            await cycle()
        await until(lambda: descriptors() <= before, 5)
        assert children() == []

    on_floor(runtime, work)


HOST = """
import asyncio, sys
from pathlib import Path
from tests.daemon.conftest import floor

async def main():
    async with floor(Path(sys.argv[1])) as here:
        tell = lambda body: print(body["pid"], flush=True)
        await here.worker().run("tests.daemon.steps:deaf", {"to_term": True}, tell)

asyncio.run(main())
"""


def test_worker_dies_with_the_daemon(runtime: Path) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(runtime)], stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    try:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert alive(pid)
    finally:
        host.kill()
        host.communicate()
    wait_for_end(pid, 5)
