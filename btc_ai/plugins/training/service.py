"""The training service: takes commands, queues runs, works through them one at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from btc_ai.api.errors import BtcAiError, ConfigError, TrainingError
from btc_ai.api.journal import Job, Step
from btc_ai.api.messages import Event
from btc_ai.api.service import Call, Command, Context
from btc_ai.api.step import StepStoppedError
from btc_ai.config import Config
from btc_ai.plugins.training.messages import (
    EpisodeEnded,
    HistoryBody,
    RunBody,
    RunsBody,
    RunView,
    StartBody,
)
from btc_ai.plugins.training.plan import KIND, check_options, new_run, resume
from btc_ai.plugins.training.runner import Runner
from btc_ai.plugins.training.view import read_history, run_view

Body = dict[str, Any]

STOP_LIMIT_S = 45.0


class TrainingService:
    """Answers the `training.` commands; one run trains at a time, the others wait their turn."""

    def __init__(self, context: Context) -> None:
        """A service over its context."""
        self._context = context
        self._wake = asyncio.Event()
        self._news: asyncio.Queue[tuple[Event, str]] = asyncio.Queue()
        self._runner: Runner | None = None
        self._wanted: str | None = None
        self._unwritten: dict[str, tuple[str, str | None]] = {}
        self._settled = asyncio.Event()
        self._settled.set()
        self._ending = False

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("training.start", StartBody, self._start_run),
            Command("training.runs", RunsBody, self._runs),
            Command("training.show", RunBody, self._show),
            Command("training.history", HistoryBody, self._history),
            Command("training.stop", RunBody, self._stop_run, STOP_LIMIT_S),
            Command("training.pause", RunBody, self._pause_run, STOP_LIMIT_S),
            Command("training.continue", RunBody, self._continue_run),
        )

    async def start(self) -> None:
        """Take up what the last daemon left running, and work through the queue."""
        for job in self._context.journal.jobs(KIND, limit=500):
            if job.state == "running":
                self._context.journal.set_job(job.id, state="queued")
                self._context.log.info("taking up a run", run=job.id)
        self._context.spawn("news", self._publish_news())
        self._context.spawn("queue", self._work())

    async def stop(self) -> None:
        """Checkpoint the run in progress; it goes on when the daemon starts again."""
        self._ending = True
        if self._runner is not None:
            await self._runner.stop()
        await self._settled.wait()

    def status(self) -> Body:
        """The run in progress and those that wait."""
        jobs = self._context.journal.jobs(KIND, limit=20)
        active = [job for job in jobs if job.state in ("running", "queued", "paused")]
        newest = active or jobs[:1]
        return {"runs": [self._view(job).model_dump() for job in newest]}

    async def _work(self) -> None:
        while not self._ending:
            queued = [
                job for job in self._context.journal.jobs(KIND, limit=500) if job.state == "queued"
            ]
            if queued:
                await self._run(min(queued, key=lambda job: job.created))
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _run(self, job: Job) -> None:
        models_dir = self._context.config.MODELS_DIR
        self._wanted = None
        self._settled.clear()
        self._runner = runner = Runner(
            self._context, job, models_dir, self._changed, self._progressed
        )
        self._context.log.info("run begins", run=job.id)
        try:
            await runner.run()
            self._end(job.id, "done", None)
        except StepStoppedError:
            self._end(job.id, "running" if self._ending else self._wanted or "stopped", None)
        except BtcAiError as error:
            self._end(job.id, "failed", str(error))
        except Exception as error:  # a fence: one run's failure must not end the queue
            self._context.log.error("run failed", run=job.id, exc_info=True)
            self._end(job.id, "failed", f"{type(error).__name__}: {error} (see the log)")
        finally:
            self._runner = None
            self._settled.set()

    def _end(self, run: str, state: str, error: str | None) -> None:
        level = self._context.log.error if error else self._context.log.info
        level("run ends", run=run, state=state, error=error or "none")
        try:
            job = self._context.journal.set_job(run, state=state, error=error)
        except BtcAiError as unwritten:
            self._context.log.error("journal", run=run, error=str(unwritten))
            self._unwritten[run] = "failed", "\n".join(filter(None, (error, str(unwritten))))
            job = self._context.journal.job(run)
        self._changed(job)

    def _settle(self) -> None:
        """Write down the ends that a full disk kept from the journal; raises where it still is."""
        for run, (state, error) in list(self._unwritten.items()):
            self._context.journal.set_job(run, state=state, error=error)
            del self._unwritten[run]

    def _progress(self, run: str) -> dict[int, Body]:
        runner = self._runner
        return runner.progress if runner is not None and runner.job.id == run else {}

    def _view(self, job: Job) -> RunView:
        if job.id in self._unwritten:
            state, error = self._unwritten[job.id]
            job = replace(job, state=state, error=error)
        return run_view(job, self._progress(job.id))

    def _changed(self, job: Job) -> None:
        self._news.put_nowait((self._view(job), job.parent_id))

    def _progressed(self, job: Job, step: Step, body: Body) -> None:
        ended = EpisodeEnded(run=job.id, position=step.position, bucket=step.name, **body)
        self._news.put_nowait((ended, job.parent_id))

    async def _publish_news(self) -> None:
        while True:
            event, parent_id = await self._news.get()
            await self._context.publish(event, parent_id=parent_id)

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
        self._settle()
        config, journal = self._config(), self._context.journal
        if body.resume:
            job, note = resume(journal, config, body, call.id)
            if job.state in ("stopped", "failed", "paused"):
                job = journal.set_job(job.id, state="queued")
        else:
            job, note = new_run(journal, config, body, call.id), ""
        ahead = [one for one in journal.jobs(KIND) if one.state in ("queued", "running")]
        others = len([one for one in ahead if one.id != job.id])
        notes = [note] if note else []
        if others and job.state == "queued":
            notes.append(f"waits for {others} other run{'s' if others > 1 else ''}")
        self._wake.set()
        self._changed(job)
        return {"run": job.id, "state": job.state, "notes": notes}

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
        """The run meant by an id, by the beginning of one, or by nothing.

        Nothing means the newest run in the first of `states` that there is one in, else the newest.
        """
        jobs = self._context.journal.jobs(KIND, limit=10_000)
        if not jobs:
            raise TrainingError("there are no runs yet; start one with `btc-ai train`")
        if run is None:
            wanted = [job for state in states for job in jobs if job.state == state]
            return (wanted or jobs)[0]
        matching = [job for job in jobs if run and job.id.startswith(run)]
        if not matching:
            raise TrainingError(f"there is no run {run!r}; `btc-ai runs` lists them")
        if len(matching) > 1 and matching[0].id != run:
            ids = ", ".join(job.id for job in matching[:5])
            raise TrainingError(f"{run} begins several runs: {ids}; give more of the id")
        return matching[0]

    async def _stop_run(self, body: RunBody, call: Call) -> Body:
        return await self._interrupt(body.run, "stopped")

    async def _pause_run(self, body: RunBody, call: Call) -> Body:
        return await self._interrupt(body.run, "paused")

    async def _interrupt(self, run: str | None, state: str) -> Body:
        self._settle()
        job = self._find(run, ("running", "queued", "paused"))
        if job.state not in ("queued", "running", "paused"):
            raise TrainingError(f"run {job.id} is {job.state}; there is nothing to interrupt")
        runner = self._runner
        if runner is not None and runner.job.id == job.id:
            if self._wanted != "stopped":
                self._wanted = state
            await runner.stop()
            await self._settled.wait()
        else:
            self._changed(self._context.journal.set_job(job.id, state=state))
        return self._view(self._context.journal.job(job.id)).model_dump()

    async def _continue_run(self, body: RunBody, call: Call) -> Body:
        self._settle()
        job = self._find(body.run, ("paused", "running", "queued", "stopped", "failed"))
        if job.state not in ("paused", "stopped", "failed"):
            raise TrainingError(f"run {job.id} is {job.state}; there is nothing to continue")
        job = self._context.journal.set_job(job.id, state="queued")
        self._wake.set()
        self._changed(job)
        return self._view(job).model_dump()
