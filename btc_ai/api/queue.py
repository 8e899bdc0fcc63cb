"""Jobs of one kind, one after the other, across restarts of the daemon."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Protocol

from structlog.contextvars import bound_contextvars

from btc_ai.api.journal import Job
from btc_ai.api.service import Context
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import BtcAiError

UNDER_WAY = ("queued", "running", "paused")
TAKEN_UP = ("paused", "stopped", "failed")
READ_AT_ONCE = 10_000


class Work(Protocol):
    """One job in progress."""

    async def run(self) -> object:
        """Do the job. Raises StepStoppedError where `stop` ended it, BtcAiError where it failed."""

    async def stop(self) -> None:
        """Stop at a place from which it can go on; returns when it has stopped."""


class JobQueue:
    """Takes jobs from the journal, the oldest first, and writes down how each ended.

    States: `queued`, `running`, `done`, `failed`, `stopped`, `paused`. A job that runs when the
    daemon stops, or dies, is `queued` again at the next start.
    """

    def __init__(
        self, context: Context, kind: str, begin: Callable[[Job], Work],
        changed: Callable[[Job], None], *, noun: str, listing: str = "",
    ) -> None:  # fmt: skip
        """A queue of the journal's jobs of `kind`; none begins before `start`.

        `begin` makes the work of a job, `changed` hears of each change of a job's state, and `noun`
        is what a person calls such a job. `listing` is the command that lists them: the noun with
        an s, unless told.
        """
        self._listing = listing or f"{noun}s"
        self._context, self._kind, self._noun = context, kind, noun
        self._begin, self._changed = begin, changed
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._active: tuple[str, Work] | None = None
        self._wanted: str | None = None
        self._unwritten: dict[str, tuple[str, str | None]] = {}
        self._ending = False

    async def start(self) -> None:
        """Take up what the last daemon left running, and work through the queue."""
        for job in self._jobs("running"):
            self._context.journal.set_job(job.id, state="queued")
            self._context.log.info("taking up a job", run=job.id)
        self._context.spawn("queue", self._work())

    async def stop(self) -> None:
        """Stop the job in progress where it can go on; it does when the daemon starts again."""
        self._ending = True
        if self._active is not None:
            await self._active[1].stop()
        await self._settled.wait()

    def wake(self) -> None:
        """There is a new job in the journal."""
        self._wake.set()

    def work(self, job: str) -> Work | None:
        """The work of the job in progress, if it is this one."""
        return self._active[1] if self._active is not None and self._active[0] == job else None

    def wanted(self, job: str) -> str | None:
        """What the job in progress is being brought to, if it is this one and is to stop."""
        return self._wanted if self.work(job) is not None else None

    def as_ended(self, job: Job) -> Job:
        """The job, with the end that the journal could not take (a full disk) if there is one."""
        if job.id not in self._unwritten:
            return job
        state, error = self._unwritten[job.id]
        return dataclasses.replace(job, state=state, error=error)

    def settle(self) -> None:
        """Write down the ends that a full disk kept from the journal; raises where it still is."""
        for job, (state, error) in list(self._unwritten.items()):
            self._context.journal.set_job(job, state=state, error=error)
            del self._unwritten[job]

    def find(self, job: str | None, states: tuple[str, ...] = ()) -> Job | None:
        """The job meant by an id, by the beginning of one, or by nothing; None: there are none.

        Nothing means the newest in the first of `states` that there is one in, else the newest.
        Raises BtcAiError where the id begins none, or several.
        """
        jobs = self._jobs()
        if not jobs:
            return None
        if job is None:
            wanted = [one for state in states for one in jobs if one.state == state]
            return (wanted or jobs)[0]
        matching = [one for one in jobs if job and one.id.startswith(job)]
        if not matching:
            raise BtcAiError(
                f"there is no {self._noun} {job!r}; `btc-ai {self._listing}` lists them"
            )
        if len(matching) > 1 and matching[0].id != job:
            ids = ", ".join(one.id for one in matching[:5])
            raise BtcAiError(f"{job} begins more than one {self._noun}: {ids}; give more of the id")
        return matching[0]

    async def interrupt(self, job: Job, state: str) -> Job:
        """Stop a job that is under way and leave it in `state` (`stopped` or `paused`)."""
        self.settle()
        if (work := self.work(job.id)) is not None:
            if self._wanted != "stopped":
                self._wanted = state
                self._changed(self._context.journal.job(job.id))
            await work.stop()
            await self._settled.wait()
        else:
            self._changed(self._context.journal.set_job(job.id, state=state))
        return self._context.journal.job(job.id)

    def take_up(self, job: Job) -> Job:
        """Queue a job again."""
        self.settle()
        job = self._context.journal.set_job(job.id, state="queued")
        self._changed(job)
        self.wake()
        return job

    def _jobs(self, state: str | None = None) -> list[Job]:
        jobs = self._context.journal.jobs(self._kind, limit=READ_AT_ONCE)
        return [job for job in jobs if state in (None, job.state)]

    async def _work(self) -> None:
        while not self._ending:
            if queued := self._jobs("queued"):
                job = min(queued, key=lambda job: job.created)
                with bound_contextvars(run=job.id, command=job.parent_id):
                    await self._run(job)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _run(self, job: Job) -> None:
        self._wanted = None
        self._settled.clear()
        work = self._begin(job)
        self._active = job.id, work
        self._context.log.info("job begins")
        try:
            await work.run()
            self._end(job.id, "done", None)
        except StepStoppedError:
            self._end(job.id, "running" if self._ending else self._wanted or "stopped", None)
        except BtcAiError as error:
            self._end(job.id, "failed", str(error))
        except Exception as error:  # a fence: one job's failure must not end the queue
            self._context.log.error("job failed", exc_info=True)
            self._end(job.id, "failed", f"{type(error).__name__}: {error} (see the log)")
        finally:
            self._active = None
            self._settled.set()

    def _end(self, job: str, state: str, error: str | None) -> None:
        level = self._context.log.error if error else self._context.log.info
        level("job ends", state=state, **({"error": error} if error else {}))
        try:
            ended = self._context.journal.set_job(job, state=state, error=error)
        except BtcAiError as unwritten:
            self._context.log.error("journal cannot be written", error=str(unwritten))
            self._unwritten[job] = "failed", "\n".join(filter(None, (error, str(unwritten))))
            ended = self._context.journal.job(job)
        self._changed(ended)
