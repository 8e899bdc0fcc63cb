"""The training service: takes commands, queues runs, and shows how they are."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from btc_ai.api.advice import training_advice
from btc_ai.api.errors import ConfigError, TrainingError
from btc_ai.api.journal import Job
from btc_ai.api.queue import TAKEN_UP, UNDER_WAY, JobQueue
from btc_ai.api.service import Call, Command, Context
from btc_ai.config import Config
from btc_ai.plugins.training.messages import (
    HistoryBody,
    RunBody,
    RunsBody,
    RunView,
    StartBody,
)
from btc_ai.plugins.training.plan import (
    KIND,
    check_options,
    new_run,
    of_real_candles,
    resume,
    sequence_of,
)
from btc_ai.plugins.training.runner import Runner
from btc_ai.plugins.training.view import read_history, run_view

Body = dict[str, Any]

STOP_LIMIT_S = 45.0
ADVICE_LIMIT_S = 3.0
KEPT_LATEST = (
    "the latest models of {buckets} are of real candles, and stay: those of run {run}, on the "
    "sample market, do not take their place"
)


async def _advice(config: Config, body: StartBody) -> list[str]:
    """What goes against the guide in a new run; nothing where that cannot be found out soon.

    Raises UsageError where the run's buckets cannot be.
    """
    names = sequence_of(config, body)
    episodes = body.episodes or config.PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET
    try:
        async with asyncio.timeout(ADVICE_LIMIT_S):
            return await asyncio.to_thread(training_advice, config, names, episodes)
    except (OSError, KeyError, ValueError):  # too late; no /proc; a bucket that `new_run` refuses
        return []


class TrainingService:
    """Answers the `training.` commands; one run trains at a time, the others wait their turn."""

    def __init__(self, context: Context) -> None:
        """A service over its context."""
        self._context = context
        self._queue = JobQueue(context, KIND, self._runner, self._changed, noun="run")

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("training.start", StartBody, self._start_run),
            Command("training.runs", RunsBody, self._runs, role="viewer"),
            Command("training.show", RunBody, self._show, role="viewer"),
            Command("training.history", HistoryBody, self._history, role="viewer"),
            Command("training.stop", RunBody, self._stop_run, STOP_LIMIT_S),
            Command("training.pause", RunBody, self._pause_run, STOP_LIMIT_S),
            Command("training.continue", RunBody, self._continue_run),
        )

    async def start(self) -> None:
        """Take up what the last daemon left running, and work through the queue."""
        await self._queue.start()

    async def stop(self) -> None:
        """Checkpoint the run in progress; it goes on when the daemon starts again."""
        await self._queue.stop()

    def status(self) -> Body:
        """The run in progress and those that wait."""
        jobs = self._context.journal.jobs(KIND, limit=20)
        newest = [job for job in jobs if job.state in UNDER_WAY] or jobs[:1]
        return {"runs": [self._view(job).model_dump() for job in newest]}

    def _runner(self, job: Job) -> Runner:
        return Runner(self._context, job, self._context.config.MODELS_DIR, self._changed)

    def _view(self, job: Job) -> RunView:
        runner = self._queue.work(job.id)
        progress, stalled = {}, None
        if isinstance(runner, Runner):
            now = runner.now
            progress, stalled = now.progress, min(now.stalled.values(), default=None)
        return run_view(self._queue.as_ended(job), progress, stalled, self._queue.wanted(job.id))

    def _changed(self, job: Job) -> None:
        self._context.publish(self._view(job), parent_id=job.parent_id)

    def _config(self) -> Config:
        """The configuration as its file is now; what only a restart can change is refused."""
        config, running = self._context.read_config(), self._context.config
        moved = [
            name
            for name in ("MODELS_DIR", "LOG_DIR")
            if getattr(config, name) != getattr(running, name)
        ]
        if moved:
            raise ConfigError(
                f"{' and '.join(moved)} changed since the daemon started; "
                "run `btc-ai daemon restart` first"
            )
        return config

    async def _start_run(self, body: StartBody, call: Call) -> Body:
        check_options(body)
        config, journal = self._config(), self._context.journal
        warnings = [] if body.resume else await _advice(config, body)
        self._queue.settle()  # nothing is waited for from here on: the run is there, or it is not
        if body.resume:
            job, note = resume(journal, config, body, call.id)
            self._refuse_while_ending(job)
            if job.state in ("stopped", "failed", "paused"):
                job = journal.set_job(self._with_new_tally(job).id, state="queued")
        else:
            job, note = new_run(journal, config, body, call.id), ""
            buckets = [step.name for step in job.steps]
            if kept := of_real_candles(config.MODELS_DIR, body.market, buckets):
                warnings.append(KEPT_LATEST.format(buckets=", ".join(kept), run=job.id))
        ahead = [one for one in journal.jobs(KIND) if one.state in ("queued", "running")]
        others = len([one for one in ahead if one.id != job.id])
        notes = [note] if note else []
        if others and job.state == "queued":
            notes.append(f"waits for {others} other run{'s' if others > 1 else ''}")
        self._queue.wake()
        self._changed(job)
        return {
            "run": job.id,
            "state": job.state,
            "notes": notes,
            "warnings": warnings,
        }

    async def _runs(self, body: RunsBody, call: Call) -> Body:
        jobs = self._context.journal.jobs(KIND, limit=body.limit)
        return {"runs": [self._view(job).model_dump() for job in jobs]}

    async def _show(self, body: RunBody, call: Call) -> Body:
        return self._view(self._find(body.run)).model_dump()

    async def _history(self, body: HistoryBody, call: Call) -> Body:
        job = self._find(body.run)
        step = next((one for one in job.steps if one.position == body.position), None)
        if step is None:
            raise TrainingError(f"run {job.id} has no step {body.position}")
        directory = step.result.get("directory")
        rows = read_history(Path(directory), body.after, body.limit) if directory else []
        return {"run": job.id, "position": body.position, "rows": rows}

    def _find(self, run: str | None, states: tuple[str, ...] = ()) -> Job:
        found = self._queue.find(run, states)
        if found is None:
            raise TrainingError("there are no runs yet; start one with `btc-ai train`")
        return found

    async def _stop_run(self, body: RunBody, call: Call) -> Body:
        return await self._interrupt(body.run, "stopped")

    async def _pause_run(self, body: RunBody, call: Call) -> Body:
        return await self._interrupt(body.run, "paused")

    async def _interrupt(self, run: str | None, state: str) -> Body:
        job = self._find(run, ("running", "queued", "paused"))
        if job.state not in UNDER_WAY:
            raise TrainingError(f"run {job.id} is {job.state}; there is nothing to interrupt")
        return self._view(await self._queue.interrupt(job, state)).model_dump()

    async def _continue_run(self, body: RunBody, call: Call) -> Body:
        job = self._find(body.run, ("paused", "running", "queued", "stopped", "failed"))
        if job.state not in TAKEN_UP:
            self._refuse_while_ending(job)
            raise TrainingError(f"run {job.id} is {job.state}; there is nothing to continue")
        return self._view(self._queue.take_up(self._with_new_tally(job))).model_dump()

    def _refuse_while_ending(self, job: Job) -> None:
        """Raise TrainingError where the run is not there yet that is to be taken up."""
        if wanted := self._queue.wanted(job.id):
            raise TrainingError(
                f"run {job.id} is being {wanted}, at its next checkpoint; take it up once it is"
            )

    def _with_new_tally(self, job: Job) -> Job:
        """What killed the workers of steps that are not done is forgotten: it is to be mended."""
        for step in job.steps:
            if step.state != "done" and "restarts" in step.result:
                result = {key: value for key, value in step.result.items() if key != "restarts"}
                job = self._context.journal.set_step(
                    job.id, step.position, state=step.state, result=result
                )
        return job
