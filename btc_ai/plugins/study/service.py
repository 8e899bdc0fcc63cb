"""The study service: takes commands, queues studies, and gives their results."""

from collections.abc import Sequence

from btc_ai.api.errors import BtcAiError
from btc_ai.api.journal import Job, Step
from btc_ai.api.queue import TAKEN_UP, UNDER_WAY, JobQueue
from btc_ai.api.runner import Runner
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.plugins.study.messages import (
    ListBody,
    StudyBody,
    StudyProgressed,
    StudyView,
    TransferStudyBody,
)
from btc_ai.plugins.study.plan import KIND, STEP, plan_study, runs

STOP_LIMIT_S = 45.0


class StudyService:
    """Answers the `study.` commands; one study at a time, beside whatever trains."""

    def __init__(self, context: Context) -> None:
        """A service over its context."""
        self._context = context
        self._queue = JobQueue(
            context, KIND, self._runner, self._changed, noun="study", listing="study list"
        )
        self._progress: dict[str, StudyProgressed] = {}

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("study.transfer", TransferStudyBody, self._transfer),
            Command("study.list", ListBody, self._list, role="viewer"),
            Command("study.show", StudyBody, self._show, role="viewer"),
            Command("study.stop", StudyBody, self._stop, STOP_LIMIT_S),
            Command("study.continue", StudyBody, self._continue),
        )

    async def start(self) -> None:
        """Take up what the last daemon left running, and work through the queue."""
        await self._queue.start()

    async def stop(self) -> None:
        """Stop the study in progress; it goes on when the daemon starts again."""
        await self._queue.stop()

    def status(self) -> Body:
        """The studies that are under way."""
        jobs = self._context.journal.jobs(KIND, limit=20)
        return {"studies": [self._view(job).model_dump() for job in jobs if job.state in UNDER_WAY]}

    def _runner(self, job: Job) -> Runner:
        return Runner(self._context, job, self._changed, self._progressed)

    def _changed(self, job: Job) -> None:
        self._context.publish(self._view(job), parent_id=job.parent_id)

    def _progressed(self, job: Job, step: Step, body: Body) -> None:
        event = StudyProgressed(study=job.id, **body)
        self._progress[job.id] = event
        self._context.publish(event, parent_id=job.parent_id)

    async def _transfer(self, body: TransferStudyBody, call: Call) -> Body:
        self._queue.settle()
        arguments = plan_study(self._context.read_config(), body)
        step = ("study", {"function": STEP, "arguments": arguments})
        job = self._context.journal.add(KIND, {}, [step], call.id)
        self._changed(job)
        self._queue.wake()
        return self._view(job).model_dump()

    async def _list(self, body: ListBody, call: Call) -> Body:
        jobs = self._context.journal.jobs(KIND, limit=body.limit)
        return {"studies": [self._view(self._queue.as_ended(job)).model_dump() for job in jobs]}

    async def _show(self, body: StudyBody, call: Call) -> Body:
        """One study, with what it found once it is done."""
        job = self._queue.as_ended(self._find(body.study))
        result = job.steps[0].result or {"results": None, "page": None}
        return {**self._view(job).model_dump(), **result}

    async def _stop(self, body: StudyBody, call: Call) -> Body:
        job = self._find(body.study, UNDER_WAY)
        if job.state in UNDER_WAY:
            job = await self._queue.interrupt(job, "stopped")
        return self._view(job).model_dump()

    async def _continue(self, body: StudyBody, call: Call) -> Body:
        job = self._find(body.study, TAKEN_UP)
        if job.state in TAKEN_UP:
            job = self._queue.take_up(job)
        return self._view(job).model_dump()

    def _find(self, study: str | None, states: tuple[str, ...] = ()) -> Job:
        found = self._queue.find(study, states)
        if found is None:
            raise BtcAiError("there is no study yet; `btc-ai study transfer` begins one")
        return found

    def _view(self, job: Job) -> StudyView:
        plan = job.steps[0].spec["arguments"]
        now, of = self._progress.get(job.id), runs(plan)
        done = of if job.state == "done" else now and now.done
        return StudyView(
            study=job.id,
            state=job.state,
            error=job.error,
            created=job.created,
            updated=job.updated,
            symbol=plan["symbol"],
            interval=plan["interval"],
            buckets=[one["bucket"] for one in plan["settings"][0]],
            seeds=len(plan["settings"]),
            episodes=plan["settings"][0][0]["episodes"],
            kinds=plan["kinds"],
            executor=plan["executor"],
            done=done,
            runs=of,
            eta_s=now.eta_s if now and job.state == "running" else None,
            folder=f"{plan['folder']}/{job.id}",
        )
