"""The service: notes which runs have changed, and brings MLflow up to date in its own time."""

import asyncio
from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.errors import BtcAiError
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.api.threads import in_thread
from btc_ai_mlflow.mirror import Mirror
from btc_ai_mlflow.settings import Settings
from btc_ai_mlflow.store import Entry, Store, StoreError

KINDS = ("training.run", "training.progress")
ROWS = 500
MOST_WAITING = 1000


class SyncBody(BaseModel):
    """A run to bring up to date in MLflow; None: the newest ones, as many as `backfill` says."""

    model_config = ConfigDict(extra="forbid")

    run: str | None = Field(None, max_length=100)


class MlflowService:
    """Mirrors runs. What has not got through is asked for again from BTC-AI's own files.

    A run that MLflow cannot take now waits behind the others: its fault may be its own.
    """

    def __init__(self, context: Context) -> None:
        """Over its context."""
        self._context = context
        self._settings: Settings = context.settings
        self._mirror = Mirror(Store(self._settings), artifacts=self._settings.artifacts)
        self._waiting: dict[str, None] = {}
        self._failing: set[str] = set()
        self._there = asyncio.Event()
        self._failures = 0
        self._counts = {"sent": 0, "given_up": 0, "dropped": 0}
        self._last_error: str | None = None

    def commands(self) -> Sequence[Command]:
        """The commands it answers."""
        return (Command("mlflow.sync", SyncBody, self._sync_command),)

    async def start(self) -> None:
        """Begin to listen and to send; whether MLflow is there is found out later."""
        self._context.spawn("listen", self._listen())
        self._context.spawn("send", self._send())

    async def stop(self) -> None:
        """Nothing to release; what has not got through is sent at the next start."""

    def status(self) -> Body:
        """How it stands with MLflow. failures: attempts in a row that failed."""
        return {
            "tracking_uri": self._settings.tracking_uri,
            "waiting": len(self._waiting),
            "failures": self._failures,
            **self._counts,
            "last_error": self._last_error,
        }

    def _note(self, run: str) -> None:
        """Let a run be brought up to date."""
        self._waiting[run] = None
        if len(self._waiting) > MOST_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._failing.discard(oldest)
            self._counts["dropped"] += 1
        self._there.set()

    async def _listen(self) -> None:
        async for event in self._context.subscribe(*KINDS):
            if isinstance(run := event.body.get("run"), str):
                self._note(run)

    async def _send(self) -> None:
        """Bring one run after the other up to date, for ever."""
        try:
            await self._backfill()
        except BtcAiError as error:
            self._context.log.warning("the newest runs are not known", reason=str(error))
        while True:
            await self._there.wait()
            self._there.clear()
            for run in list(self._waiting):
                if not await self._taken(run):
                    await asyncio.sleep(self._delay())
            await asyncio.sleep(self._settings.every_s)

    async def _backfill(self) -> list[str]:
        """Note the newest runs: of one that MLflow has whole, nothing is sent."""
        if self._settings.backfill == 0:
            return []
        found = await self._context.call("training.runs", {"limit": self._settings.backfill})
        runs = [str(view["run"]) for view in reversed(found["runs"])]
        for run in runs:
            self._note(run)
        return runs

    async def _taken(self, run: str) -> bool:
        """Bring a run up to date; False where it has to wait, behind the others."""
        self._waiting.pop(run, None)  # what happens from now on is noted anew
        try:
            await self._sync(run)
            self._succeeded(run)
        except StoreError as error:
            if not error.permanent:
                self._failed(run, error)
                return False
            self._give_up(run, error)
        except BtcAiError as error:  # of BTC-AI: there is no such run
            self._give_up(run, error)
        return True

    def _succeeded(self, run: str) -> None:
        self._failing.discard(run)
        self._failures = 0
        self._counts["sent"] += 1
        if not self._failing:
            self._last_error = None

    def _failed(self, run: str, error: StoreError) -> None:
        self._failures += 1
        self._last_error = str(error)
        if self._failures == 1 and run not in self._failing:
            self._context.log.warning(
                "MLflow does not take a run for now; trying again", run=run, reason=str(error)
            )
        self._failing.add(run)
        self._note(run)

    def _give_up(self, run: str, error: BtcAiError) -> None:
        self._failing.discard(run)
        self._counts["given_up"] += 1
        self._last_error = f"run {run}: {error}"
        self._context.log.error("MLflow does not take a run", run=run, reason=str(error))

    def _delay(self) -> float:
        wait = self._settings.first_delay_s * 2.0 ** min(self._failures - 1, 30)
        return min(wait, self._settings.max_delay_s)

    async def _sync(self, run: str) -> None:
        view = await self._context.call("training.show", {"run": run})
        entry = await in_thread(lambda: self._mirror.run(view))
        if self._mirror.is_complete(view, entry):
            return
        for step in view["steps"]:
            if step["directory"] is not None:
                await self._sync_step(view, entry, step)
        await in_thread(lambda: self._mirror.settle_run(view, entry))

    async def _sync_step(self, view: Body, run: Entry, step: Body) -> None:
        entry, last = await in_thread(lambda: self._mirror.step(view, run, step))
        asked = {"run": view["run"], "position": step["position"], "limit": ROWS}
        while True:
            found = await self._context.call("training.history", {**asked, "after": last})
            if not (rows := found["rows"]):
                break
            last = await in_thread(partial(self._mirror.episodes, entry, rows))
        await in_thread(lambda: self._mirror.settle_step(entry, step))

    async def _sync_command(self, body: SyncBody, call: Call) -> Body:
        if body.run is None:
            return {"runs": await self._backfill()}
        view = await self._context.call("training.show", {"run": body.run})
        self._note(view["run"])
        return {"runs": [view["run"]]}
