"""The evaluation service: takes commands, queues jobs, and gives their results."""

from collections.abc import Callable, Sequence

from btc_ai.api.errors import BtcAiError
from btc_ai.api.journal import Job, Step
from btc_ai.api.queue import UNDER_WAY, JobQueue
from btc_ai.api.runner import Runner
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.config import Config
from btc_ai.plugins.evaluation import plan
from btc_ai.plugins.evaluation.messages import (
    AuditBody,
    EvaluateBody,
    JobBody,
    JobView,
    Part,
    PartProgress,
    PipelineBody,
    ResultBody,
)

STOP_LIMIT_S = 45.0

Steps = Sequence[tuple[str, Body]]


class EvaluationService:
    """Answers the `evaluation.` commands; one job at a time, beside whatever trains."""

    def __init__(self, context: Context) -> None:
        """A service over its context."""
        self._context = context
        self._queue = JobQueue(
            context, plan.KIND, self._runner, self._changed, noun="evaluation"
        )  # fmt: skip

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("evaluation.evaluate", EvaluateBody, self._evaluate),
            Command("evaluation.audit", AuditBody, self._audit),
            Command("evaluation.pipeline", PipelineBody, self._pipeline),
            Command("evaluation.show", JobBody, self._show, role="viewer"),
            Command("evaluation.result", ResultBody, self._result, role="viewer"),
            Command("evaluation.stop", JobBody, self._stop, STOP_LIMIT_S),
        )

    async def start(self) -> None:
        """Take up what the last daemon left running, and work through the queue."""
        await self._queue.start()

    async def stop(self) -> None:
        """Stop the job in progress; it goes on when the daemon starts again."""
        await self._queue.stop()

    def status(self) -> Body:
        """The jobs that are under way."""
        jobs = self._context.journal.jobs(plan.KIND, limit=20)
        return {"jobs": [_view(job).model_dump() for job in jobs if job.state in UNDER_WAY]}

    def _runner(self, job: Job) -> Runner:
        return Runner(self._context, job, self._changed, self._progressed)

    def _changed(self, job: Job) -> None:
        self._context.publish(_view(job), parent_id=job.parent_id)

    def _progressed(self, job: Job, step: Step, body: Body) -> None:
        event = PartProgress(job=job.id, position=step.position, name=step.name, **body)
        self._context.publish(event, parent_id=job.parent_id)

    async def _evaluate(self, body: EvaluateBody, call: Call) -> Body:
        return self._begin("evaluate", lambda config: plan.evaluate_steps(config, body), call)

    async def _audit(self, body: AuditBody, call: Call) -> Body:
        return self._begin("audit", lambda config: plan.audit_steps(config, body), call)

    async def _pipeline(self, body: PipelineBody, call: Call) -> Body:
        return self._begin("test-pipeline", lambda config: plan.pipeline_steps(config, body), call)

    def _begin(self, task: str, steps: Callable[[Config], Steps], call: Call) -> Body:
        self._queue.settle()
        planned = steps(self._context.read_config())
        job = self._context.journal.add(plan.KIND, {"task": task}, planned, call.id)
        self._changed(job)
        self._queue.wake()
        return {"job": job.id, "state": job.state}

    async def _show(self, body: JobBody, call: Call) -> Body:
        return _view(self._find(body.job)).model_dump()

    async def _result(self, body: ResultBody, call: Call) -> Body:
        """What one part found; apart from the job, because it may be a large part of a frame."""
        job = self._find(body.job)
        step = next((one for one in job.steps if one.position == body.position), None)
        if step is None or step.state != "done":
            raise BtcAiError(f"evaluation {job.id} has no finished part {body.position}")
        return step.result

    async def _stop(self, body: JobBody, call: Call) -> Body:
        job = self._find(body.job)
        if job.state in UNDER_WAY:
            job = await self._queue.interrupt(job, "stopped")
        return _view(job).model_dump()

    def _find(self, job: str | None) -> Job:
        found = self._queue.find(job, UNDER_WAY)
        if found is None:
            raise BtcAiError("nothing has been evaluated yet; `btc-ai evaluate` does")
        return found


def _view(job: Job) -> JobView:
    return JobView(
        job=job.id,
        task=job.spec["task"],
        state=job.state,
        error=job.error,
        created=job.created,
        updated=job.updated,
        parts=[Part(position=one.position, name=one.name, state=one.state) for one in job.steps],
    )
