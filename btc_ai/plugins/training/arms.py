"""The two arms of a measured transfer: the transferred run and its scratch twin, side by side."""

import asyncio
import os
import shutil
from collections.abc import Callable
from typing import Any

from btc_ai.api.errors import BtcAiError
from btc_ai.api.service import Context, Health, Worker
from btc_ai.api.step import StepStoppedError

Body = dict[str, Any]

TRAIN = "btc_ai.plugins.training.worker:train_step"
JUDGE = "btc_ai.plugins.training.worker:judge_step"
KEEP = "btc_ai.plugins.training.worker:keep_verdict_step"
ONE_CORE = (
    "there is one core: the twin from scratch takes as long again (TRANSFER_VERIFY: off trains "
    "without it)"
)
WAITING = "the transferred run is done; waiting for the twin from scratch"


def scratch_of(directory: str) -> str:
    """Where the twin of the run in `directory` is kept."""
    return f"{directory}-scratch"


class Arms:
    """The worker processes of a run: one that trains, and one for twins while there are any."""

    def __init__(
        self, context: Context, run: str, on_health: Callable[[str, Health], None]
    ) -> None:
        """Both start with their first step; `on_health` hears news of each, by its name."""
        self._context, self._run, self._on_health = context, run, on_health
        self._worker = self._make(f"training.{run}")
        self._twin: Worker | None = None

    async def train(self, arguments: Body, hear: Callable[[Body], None]) -> Body:
        """Train one bucket that is not measured."""
        return await self._worker.run(TRAIN, arguments, hear)

    async def train_measured(
        self, arguments: Body, hear: Callable[[Body], None]
    ) -> tuple[Body, Body | None]:
        """Train a bucket and its twin; what the chosen one gave, and the verdict.

        The verdict is None where nothing was carried over after all. Where the twin failed, it
        has an `error` instead of a decision, and the transferred run is kept. `hear` is also told
        each episode of the `twin`, and what there is to be `said` of it, by a key.
        """
        directory = arguments["directory"]
        arguments = {**arguments, "scratch": scratch_of(directory)}
        twin = self._twin or self._make(f"training.{self._run}.scratch")
        self._twin = twin
        plain = {
            **arguments,
            "directory": arguments["scratch"],
            "scratch": None,
            "transfer": None,
            "degraded": False,
        }
        replaced = asyncio.Event()
        ending: list[asyncio.Task[None]] = []

        def hear_ours(body: Body) -> None:
            if "transfer" in body and not body["transfer"]["kinds"] and not ending:
                ending.append(asyncio.create_task(self._discard(scratch, plain["directory"])))
            hear(body)

        def hear_twin(body: Body) -> None:
            if "episode" in body:
                hear({"twin": body})
                body = {**body, "arm": "scratch"}
            if "diverged" in body:
                hear({"diverged": {**body["diverged"], "arm": "scratch"}})
                return
            if replaced.is_set():
                hear(body)

        if len(os.sched_getaffinity(0)) == 1:
            hear({"said": {"one_core": ONE_CORE}})
        scratch = asyncio.create_task(twin.run(TRAIN, plain, hear_twin), name="scratch twin")
        try:
            ours = await self._worker.run(TRAIN, arguments, hear_ours)
            if ending:
                return ours, None
            if not scratch.done() and "rolled_back" not in ours:
                hear({"said": {"waiting": WAITING}})
            if "rolled_back" in ours:
                replaced.set()
                hear({"rolled_back": ours["rolled_back"]})
            return await self._judge(arguments, ours, scratch)
        finally:
            await asyncio.gather(*ending)
            await self._end(scratch)

    async def keep_verdict(self, arguments: Body) -> None:
        """Write down a verdict that was found elsewhere, `arguments["verdict"]`."""
        await self._worker.run(KEEP, arguments, lambda body: None)

    async def _judge(
        self, arguments: Body, ours: Body, scratch: asyncio.Task[Body]
    ) -> tuple[Body, Body]:
        try:
            theirs = await scratch
        except StepStoppedError:
            raise
        except BtcAiError as error:
            if "rolled_back" in ours:
                raise
            failure = f"not measured, for the twin from scratch failed: {error}"
            return ours, await self._verdict(arguments, ours, failure)
        verdict = await self._verdict(arguments, ours, None)
        return (ours if verdict["decision"] == "kept" else theirs), verdict

    async def _verdict(self, arguments: Body, ours: Body, failure: str | None) -> Body:
        arguments = {**arguments, "rolled_back": ours.get("rolled_back"), "failure": failure}
        return await self._worker.run(JUDGE, arguments, lambda body: None)

    async def _end(self, scratch: asyncio.Task[Body]) -> None:
        """Stop a twin that nobody waits for any more; another step gets another process."""
        if not scratch.done() and self._twin is not None:
            twin, self._twin = self._twin, None
            await twin.stop()
        await asyncio.gather(scratch, return_exceptions=True)

    async def _discard(self, scratch: asyncio.Task[Body], directory: str) -> None:
        """End a twin that has nothing to be compared with, and remove what it has written."""
        await self._end(scratch)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def stop(self) -> None:
        """Stop both at a checkpoint."""
        await asyncio.gather(*(worker.stop() for worker in self._workers()))

    async def close(self) -> None:
        """End both processes."""
        await asyncio.gather(*(worker.close() for worker in self._workers()))

    def _make(self, name: str) -> Worker:
        def hear(health: Health) -> None:
            self._on_health(name, health)

        return self._context.worker(name, on_health=hear)

    def _workers(self) -> list[Worker]:
        return [worker for worker in (self._worker, self._twin) if worker is not None]
